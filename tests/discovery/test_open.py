"""From address to registry: what is accepted, what is refused and how, and that a token never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.discovery import Instance, open_registry
from mesh.discovery.address import format_address, parse_address
from mesh.discovery.consul_registry import ConsulRegistry

TOKEN = "9f6d7a3e-secret-0b1c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:7001", ("127.0.0.1", 7001)),
        (" db.internal:1 ", ("db.internal", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected
    assert parse_address(format_address(*expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", "host:", ":80", "host:0", "host:65536", "host:99999999999", "host:-1", "host:8 0", "host:²",
     "a b:1", "::1:80", "host:80/", "user@host:80", "host:+80"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("consul://127.0.0.1:8500", "consul://127.0.0.1:8500"),
        ("consul://consul.internal", "consul://consul.internal:8500"),
        ("consul://[::1]:8500/", "consul://[::1]:8500"),
        ("consul://[::1]", "consul://[::1]:8500"),
        ("consul://127.0.0.1:8500?dc=east&wait_s=5", "consul://127.0.0.1:8500"),
        ("consul://a,b:8501,[::1],a:8500", "consul://a:8500,b:8501,[::1]:8500"),
        ("consul+https://a:8501,b:8501?dc=east", "consul+https://a:8501,b:8501"),
        ("static://127.0.0.1:1,127.0.0.1:2", "static://127.0.0.1:1,127.0.0.1:2"),
    ],
)
async def test_every_form_opens(url: str, shown: str) -> None:
    async with open_registry(url) as registry:
        assert registry.url == shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "allowed are consul://"),
        ("127.0.0.1:8500", "allowed are consul://"),
        ("zookeeper://127.0.0.1:1", "unknown registry zookeeper://; allowed are consul://"),
        ("consul://127.0.0.1:http", "the port must be a number"),
        ("consul://", "HOST:PORT"),
        ("consul://127.0.0.1:1/v1", "not 'consul://127.0.0.1:1/v1'"),
        ("consul://127.0.0.1:1?wait=5", "unknown option 'wait'"),
        ("consul://127.0.0.1:1?wait_s=0.5", "wait_s is a number of seconds from 1 to 600"),
        ("consul://127.0.0.1:1?wait_s=nan", "wait_s"),
        ("consul://127.0.0.1:1?token_file=/does/not/exist", "cannot read the token file"),
        ("consul://127.0.0.1:1?ca_file=/x", "unknown option 'ca_file'"),
        ("consul+https://127.0.0.1:1?ca_file=/does/not/exist", "there is no file /does/not/exist"),
        ("consul://a,,b", "HOST:PORT"),
        ("consul://" + ",".join("abcdefghij"), "10 Consul addresses"),
        ("static://", "names no HOST:PORT"),
        ("static://127.0.0.1", "HOST:PORT"),
        ("file:///tmp/peers.yaml", "ends in .toml or .json"),
        ("file:///does/not/exist/peers.toml", "there is no folder /does/not/exist"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_is_allowed(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        open_registry(url)
    assert reason in str(caught.value)


@pytest.mark.parametrize("url", [f"consul://{TOKEN}@127.0.0.1:1", f"consul://127.0.0.1:1?token={TOKEN}"])
async def test_a_token_in_an_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="MESH_CONSUL_TOKEN") as caught:
        open_registry(url)
    assert TOKEN not in str(caught.value)


def _token(registry: object) -> str | None:
    assert isinstance(registry, ConsulRegistry)
    return registry._api._consul.token  # type: ignore[attr-defined, no-any-return]


async def test_where_the_token_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}-file\n")
    with_file = f"consul://127.0.0.1:1?token_file={file}"
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", f"{TOKEN}-environment")
    assert _token(open_registry(with_file, token=TOKEN)) == TOKEN
    assert _token(open_registry(with_file)) == f"{TOKEN}-file"
    assert _token(open_registry("consul://127.0.0.1:1")) == f"{TOKEN}-environment"
    monkeypatch.delenv("CONSUL_HTTP_TOKEN")
    assert _token(open_registry("consul://127.0.0.1:1")) is None
    assert TOKEN not in repr(vars(open_registry(with_file)))


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff"])
async def test_a_token_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="token file"):
        open_registry(f"consul://127.0.0.1:1?token_file={file}")


async def test_a_static_registry_has_every_service_at_its_addresses() -> None:
    async with open_registry("static://127.0.0.1:1, [::1]:2") as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        assert watch.known
        assert [(one.service, one.host, one.port) for one in watch.instances] == [
            ("pricing", "127.0.0.1", 1),
            ("pricing", "::1", 2),
        ]
        watch.refused(watch.instances[0])
        assert len(watch.instances) == 2
        registration = await registry.register(Instance("pricing", "a", "127.0.0.1", 9))
        assert registration.registered
        await registration.withdraw()
        rules = registry.watch_rules("limits/")
        await rules.ready()
        assert rules.rules == ()
        assert len((await registry.services())["*"]) == 2
