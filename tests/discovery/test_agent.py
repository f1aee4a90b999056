"""Finding a Consul: where the machine's archives are read from, and what becomes of a broken binary or cache."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.cli import consul as command
from mesh.cli.exits import CommandError
from mesh.discovery import apt, program
from mesh.discovery.agent import ConsulUnavailable, default_cache, find_consul, version_of
from mesh.discovery.apt import AptError, Archive, archives, fetch_package

KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----"""


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.list", "deb http://mirror.example/debian bookworm main", [Archive("http://mirror.example/debian")]),
        ("a.list", "deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian/ sid contrib main",
         [Archive("https://m.example/debian", "/k.gpg")]),
        ("a.list", "  deb http://m.example/debian stable main # comment", [Archive("http://m.example/debian")]),
        ("a.list", "# deb http://m.example/debian bookworm main", []),
        ("a.list", "deb-src http://m.example/debian bookworm main", []),
        ("a.list", "deb http://m.example/ubuntu noble main", []),
        ("a.list", "deb https://packages.example/ cloud-sdk main", []),
        ("a.list", "deb http://m.example/debian-security bookworm-security main", []),
        ("a.list", "deb cdrom:[disc]/ bookworm main", []),
        ("a.list", "deb http://m.example/debian bookworm contrib", []),
        ("a.list", "deb [trusted=yes] http://m.example/debian bookworm main", [Archive("http://m.example/debian")]),
        ("a.sources", "Types: deb\nURIs: http://m.example/debian/\nSuites: bookworm bookworm-updates\n"
         "Components: main\nSigned-By: /k.gpg", [Archive("http://m.example/debian", "/k.gpg")]),
        ("a.sources", "# first\nTypes: deb deb-src\n# URIs: http://old.example\nURIs: http://a.example http://b.example"
         "\nSuites:\n trixie\nComponents: main\n\n"
         "Types: deb\nURIs: http://c.example\nSuites: nodistro\nComponents: main",
         [Archive("http://a.example"), Archive("http://b.example")]),
        ("a.sources", "Enabled: no\nTypes: deb\nURIs: http://a.example\nSuites: sid\nComponents: main", []),
        ("a.sources", "Types: deb-src\nURIs: http://a.example\nSuites: sid\nComponents: main", []),
        ("a.sources", f"Types: deb\nURIs: http://a.example\nSuites: sid\nComponents: main\nSigned-By: {KEY}\n",
         [Archive("http://a.example", KEY)]),
        ("a.sources", "garbage\n\x00\n\n:\n", []),
        ("a.txt", "", []),
    ],
)  # fmt: skip
def test_archives_of_both_formats(tmp_path: Path, name: str, text: str, found: list[Archive]) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert archives(tmp_path) == found


def test_an_archive_counts_once_and_the_first_source_wins(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb [signed-by=/a.gpg] http://m.example/debian bookworm main\n" * 2)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "x.list").write_text("deb http://m.example/debian sid main")
    assert archives(tmp_path) == [Archive("http://m.example/debian", "/a.gpg")]


def test_a_machine_without_apt_has_no_archives(tmp_path: Path) -> None:
    assert archives(tmp_path / "none") == []


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but a test's own programs, and a machine with one archive."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    monkeypatch.setattr(apt, "archives", lambda: [Archive("http://m.example/debian", "/k.gpg")])
    monkeypatch.setattr(apt, "RETIRED_KEYS", tmp_path / "none.gpg")
    return folder


def fake_apt(tools: Path, log: Path, *, says: str = "Consul v1.8.7") -> None:
    """An apt-get that "downloads" a package, and a dpkg that "unpacks" a consul saying `says`."""
    script(tools / "apt-get", f'echo "$@" >> {log}; for last; do :; done; [ "$last" = update ] || : > consul_1.deb')
    body = f'/bin/mkdir -p "$3/usr/bin"; printf "#!/bin/sh\\necho {says}\\n" > "$3/usr/bin/consul"'
    script(tools / "dpkg", f'{body}; /bin/chmod 755 "$3/usr/bin/consul"')


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("echo Consul v1.8.7", "1.8.7"),
        ("echo Consul v1.8.7; exit 1", None),
        ("echo hello", None),
        ("exec sleep 9", None),
    ],
)
def test_a_binary_counts_only_if_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, version: str | None
) -> None:
    monkeypatch.setattr(program, "VERSION_TIMEOUT_S", 0.5)
    assert version_of(script(tmp_path / "consul", text)) == version
    assert version_of(tmp_path / "none") is None


def test_the_path_comes_first(tools: Path, tmp_path: Path) -> None:
    script(tools / "consul", "echo Consul v1.20.1")
    assert find_consul(tmp_path / "cache") == tools / "consul"
    assert not (tmp_path / "cache").exists()


def test_it_is_fetched_once_and_said_on_stderr(tools: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "apt.log"
    fake_apt(tools, log)
    script(tools / "consul", "exit 1")  # one on the PATH that does not run
    cache = tmp_path / "cache"
    assert find_consul(cache) == find_consul(cache) == cache / "consul"
    assert len(log.read_text().splitlines()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["consul"] * 4
    assert sorted(path.name for path in cache.iterdir()) == ["consul", "consul.sha256", "lock"]


def test_the_private_configuration_keeps_the_signature_check(tmp_path: Path) -> None:
    file = apt._private_configuration(Archive("http://m.example/debian", KEY), "bullseye", tmp_path)
    text = file.read_text()
    assert 'Acquire::AllowInsecureRepositories "false"' in text
    assert 'APT::Get::AllowUnauthenticated "false"' in text
    source = (tmp_path / "sources" / "only.sources").read_text()
    assert "Suites: bullseye\n" in source
    assert f"Signed-By: {KEY}\n" in source
    assert "trusted" not in source.lower()


@pytest.mark.parametrize("damage", ["content", "mode", "digest", "gone"])
def test_a_damaged_cache_is_fetched_anew(tools: Path, tmp_path: Path, damage: str) -> None:
    log, cache = tmp_path / "apt.log", tmp_path / "cache"
    fake_apt(tools, log)
    find_consul(cache)
    (cache / "fetch-left-over").mkdir()
    if damage == "content":
        (cache / "consul").write_text("#!/bin/sh\necho Consul v6.6.6\n")
    elif damage == "mode":
        (cache / "consul").chmod(0o644)
    elif damage == "digest":
        (cache / "consul.sha256").unlink()
    else:
        (cache / "consul").unlink()
    assert version_of(find_consul(cache)) == "1.8.7"
    assert len(log.read_text().splitlines()) == 4
    assert not (cache / "fetch-left-over").exists()


@pytest.mark.parametrize(
    ("apt_get", "reason"),
    [
        (None, "this machine has no apt-get"),
        (
            "echo 'E: The repository is not signed.'; exit 100",
            "apt-get update failed: E: The repository is not signed.",
        ),
        ("exec /bin/sleep 60", "apt-get update took longer than"),
        ("exit 0", "apt-get download left 0 packages of consul"),
        ("exit 3", "it said nothing"),
    ],
)
def test_where_none_can_be_had_one_line_says_why(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apt_get: str | None, reason: str
) -> None:
    monkeypatch.setattr(apt, "UPDATE_TIMEOUT_S", 0.3)
    if apt_get is not None:
        script(tools / "dpkg", "exit 0")
        script(tools / "apt-get", apt_get)
    with pytest.raises(ConsulUnavailable) as caught:
        find_consul(tmp_path / "cache")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Put a consul binary on the PATH" in str(caught.value)


def test_a_binary_that_does_not_run_here_is_not_kept(tools: Path, tmp_path: Path) -> None:
    fake_apt(tools, tmp_path / "apt.log", says="cannot execute")
    with pytest.raises(ConsulUnavailable, match="does not run on this machine"):
        find_consul(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_no_archive_among_the_sources(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tools, tmp_path / "apt.log")
    monkeypatch.setattr(apt, "archives", list)
    with pytest.raises(AptError, match="name no Debian archive"):
        fetch_package("consul", "bullseye", tmp_path, say=print)


def test_a_cache_that_cannot_be_written(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(ConsulUnavailable, match="cannot use the cache"):
        find_consul(tmp_path / "cache")


def test_the_next_archive_and_then_the_retired_keys_are_tried(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired = tmp_path / "retired.gpg"
    retired.touch()
    monkeypatch.setattr(apt, "RETIRED_KEYS", retired)
    monkeypatch.setattr(apt, "archives", lambda: [Archive("http://a.example", "/k"), Archive("http://b.example")])
    log = tmp_path / "log"
    script(tools / "dpkg", "exit 0")
    script(tools / "apt-get", f"while read -r line; do echo $line; done < sources/only.sources >> {log}; exit 1")
    with pytest.raises(AptError):
        fetch_package("consul", "bullseye", tmp_path / "work", say=lambda line: None)
    told = [line for line in log.read_text().splitlines() if line.startswith(("URIs", "Signed-By"))]
    assert told == [
        *("URIs: http://a.example", "Signed-By: /k", "URIs: http://b.example"),
        *("URIs: http://a.example", f"Signed-By: {retired}", "URIs: http://b.example", f"Signed-By: {retired}"),
    ]


def test_two_at_once_fetch_once(tools: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log, cache = tmp_path / "apt.log", tmp_path / "cache"
    fake_apt(tools, log)
    slow = (tools / "apt-get").read_text().replace("#!/bin/sh", "#!/bin/sh\n/bin/sleep 0.3")
    (tools / "apt-get").write_text(slow)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(find_consul(cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [cache / "consul"] * 2
    assert len(log.read_text().splitlines()) == 2
    assert "another process is fetching" in capfd.readouterr().err


def test_a_lock_that_is_never_released_is_given_up(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "LOCK_TIMEOUT_S", 0.3)
    (tmp_path / "cache").mkdir()
    holder = (
        "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, tmp_path / "cache" / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        before = time.monotonic()
        with pytest.raises(ConsulUnavailable, match="another process has held"):
            find_consul(tmp_path / "cache")
        assert time.monotonic() - before < 5
        process.communicate(b"")


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [("/x", "/x/thriftmesh/consul"), ("", "~/.cache/thriftmesh/consul"), ("relative", "~/.cache/thriftmesh/consul")],
)
def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch, xdg: str, expected: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert default_cache() == Path(expected).expanduser()


@pytest.fixture
def mesh() -> Callable[..., int]:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())

    def run(*arguments: str) -> int:
        parsed = parser.parse_args(arguments)
        code: int = parsed.run(parsed)
        return code

    return run


def test_the_command_prints_the_path(mesh: Callable[..., int], tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = script(tools / "consul", "echo Consul v1.20.1")
    assert mesh("consul", "get") == 0
    assert capsys.readouterr().out == f"{binary}\n"
    assert mesh("consul", "get", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(binary), "version": "1.20.1"}


def test_the_command_fails_in_one_line(
    mesh: Callable[..., int], tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CommandError, match="this machine has no apt-get") as failed:
        mesh("consul", "get", "--json")
    assert failed.value.code == 1
    assert "\n" not in str(failed.value)
    assert capsys.readouterr().out == ""
