"""Secrets planted through every way in, and looked for in every way out.

A way out is whatever a process prints, writes to disk, shows on its command line or tells another one. (What a process
inherits in its environment is the owner's alone: /proc/PID/environ has mode 0400.)
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh.cli.main import main
from mesh.cluster import consul as joining
from mesh.cluster import keeper
from mesh.cluster import plan as plans
from mesh.cluster.plan import ClusterConfig, ConsulConfig
from mesh.config import Config, ConfigError, Secret, build, load
from mesh.discovery import open_registry
from mesh.discovery.address import parse_address, without_secrets


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """`mesh --debug` sets it up for its process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


CANARY = "cAnArY"  # in every secret of this module; nothing else has it


def secret(way: str) -> str:
    return f"{CANARY}-{way}"


def clean(text: str, where: str) -> None:
    if CANARY in text:
        at = text.index(CANARY)
        pytest.fail(f"{where} shows {text[at : at + 30]!r}: ...{text[max(0, at - 200) : at]!r}")


SERVICE = """
import asyncio, logging, mesh, os, sys
from idl import interop
from mesh.node import Node

class Echo:
    def __getattr__(self, name):
        async def method(*args):
            raise RuntimeError("a handler's bug")
        return method

async def main():
    async with Node(os.environ["MESH_NAME"]) as node:
        logging.getLogger("x").info("%r %s", node.config, node.config.token)
        node.serve(interop.Echo, Echo(), name=os.environ["MESH_NAME"])
        await node.run()

mesh.run(main())
"""


@pytest.fixture
def project(tmp_path: Path, consul_binary: Path) -> Path:
    """A cluster whose every way to state a secret states one."""
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / ".env").write_text(f"DOT_ENV={secret('dotenv')}\nMESH_CONSUL_TOKEN={secret('dotenv-token')}\n")
    (tmp_path / "node.toml").write_text(f'token = "{secret("toml")}"\n')
    (tmp_path / "token").write_text(secret("token-file"))
    for name in (".env", "node.toml", "token"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "cluster.toml").write_text(
        textwrap.dedent(
            f"""
            env = {{ ALL = "{secret("cluster-env")}" }}
            [services.alpha]
            command = ["{{python}}", "service.py"]
            env = {{ ONE = "{secret("service-env")}", MESH_CONFIG = "node.toml" }}
            [services.beta]
            command = ["{{python}}", "service.py"]
            env = {{ MESH_TOKEN = "{secret("service-token")}" }}
            [services.gamma]
            command = ["{{python}}", "service.py"]
            env = {{ MESH_TOKEN_FILE = "token" }}
            [services.broken]
            command = ["{{python}}", "-c", "import sys; sys.exit('no')"]
            [restart]
            crashes = 2
            """
        )
    )
    (tmp_path / "cluster.more.toml").write_text(f'env = {{ OVERLAY = "{secret("overlay")}" }}\n')
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MESH_", "CONSUL_"))}
    outer = {"OUTER": secret("outer"), "CONSUL_HTTP_TOKEN": secret("consul-env"), "MESH_LOG_LEVEL": "debug"}
    return {**kept, **outer, "PYTHONPATH": str(Path(__file__).parents[2])}


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, Any]]:
    """`mesh up` until all are as they will be; its state. What it printed is looked through at the end."""
    mark = f"secrets-{os.getpid()}"
    command = [sys.executable, "-m", "mesh.cli.main", "--debug", "up", "--json", "--overlay", "more"]
    with (folder / "up.out").open("w") as out, (folder / "up.err").open("w") as err:
        up = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(), keeper.MARK: mark},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            give_up = time.monotonic() + 60
            while sorted(states(folder)) != ["failed", "ready", "ready", "ready"]:
                assert up.poll() is None, (folder / "up.err").read_text()
                assert time.monotonic() < give_up, states(folder)
                time.sleep(0.1)
            yield {**state_of(folder), "mark": mark}
            up.send_signal(signal.SIGTERM)
            up.wait(30)
        finally:
            up.kill()
            up.wait()


def state_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"services": {}}
    for path in folder.glob(".mesh/*/state.json"):
        found = json.loads(path.read_text())
    return found


def states(folder: Path) -> list[str]:
    return [one["state"] for instances in state_of(folder)["services"].values() for one in instances]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.integration
def test_none_comes_out_of_a_running_cluster(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    for name, text in environment().items():
        monkeypatch.setenv(name, text)
    with running(project) as state:
        pids = [row.pid for row in keeper.rows() if state["mark"] in row.mark.split("/")]
        assert len(pids) >= 6  # mesh up, its keeper, Consul, three services
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
                clean(Path(f"/proc/{pid}/cmdline").read_text(), f"the command line of {pid}")
                assert Path(f"/proc/{pid}/environ").stat().st_mode & 0o077 == 0
        admins = [one["admin"] for found in state["services"].values() for one in found if one["state"] == "ready"]
        assert len(admins) == 3
        for admin in admins:
            pages = re.findall(r'href="([^"]+)"', get(f"http://{admin}/"))
            assert {"/debug/config", "/health", "/metrics", "/debug/stack"} <= set(pages)
            for page in pages:
                clean(get(f"http://{admin}{page}"), f"the admin page {page}")
            assert '"token": "***"' in get(f"http://{admin}/debug/config")
        consul = state["consul"]["url"]
        kept = (
            get(f"{consul}/v1/agent/services") + get(f"{consul}/v1/catalog/services") + get(f"{consul}/v1/agent/checks")
        )
        assert "alpha-1" in kept
        clean(kept, "Consul")
        for arguments in (
            ["ps"], ["ps", "--json"], ["list"], ["list", "--json"], ["health", "alpha", "--json"], ["doctor", "--json"],
 ["--debug", "call", "alpha", "Echo::touch", '{"text": "x"}', "--json"],
            ["describe", "beta", "--json"], ["--debug", "restart", "broken-1"],
        ):  # fmt: skip
            capfd.readouterr()
            main(arguments)
            printed = "".join(capfd.readouterr())
            assert printed
            clean(printed, f"mesh {' '.join(arguments)}")
    assert "a handler's bug" in "".join(path.read_text() for path in project.glob(".mesh/*/logs/*.log"))
    run_folder = next(project.glob(".mesh/*"))
    assert run_folder.stat().st_mode & 0o077 == 0
    for path in [*project.glob(".mesh/**/*"), project / "up.out", project / "up.err"]:
        if path.is_file():
            clean(path.read_bytes().decode("utf-8", "replace"), str(path.relative_to(project)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--registry", f"consul://user:{secret('userinfo')}@127.0.0.1:1"],
        ["list", "--registry", f"consul://127.0.0.1:1?token={secret('query')}"],
        ["list", "--registry", f"consul://127.0.0.1:1/{'x'}?a=1&token={secret('query')}"],
        ["list", "--registry", f"static://user:{secret('userinfo')}@127.0.0.1:1"],
        ["list", "--registry", f"http://user:{secret('userinfo')}@127.0.0.1:1"],
        ["health", "x", "--registry", f"static://{secret('user')}@127.0.0.1:x"],
        ["up", "--join", f"user:{secret('userinfo')}@127.0.0.1:1"],
        ["up", "--join", f"https://{secret('user')}@127.0.0.1:1", "--json"],
        ["doctor", "--registry", f"consul://user:{secret('userinfo')}@127.0.0.1:x"],
        ["doctor", "--json", "--registry", f"zookeeper://user:{secret('userinfo')}@127.0.0.1"],
    ],
    ids=lambda arguments: " ".join(arguments[:3]).replace(CANARY, ""),
)
@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
def test_none_comes_back_from_an_address_that_holds_one(
    arguments: list[str],
    debug: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.toml").write_text("[services.a]\n")
    assert main([*debug, *arguments]) != 0
    printed = "".join(capfd.readouterr())
    assert printed
    clean(printed, " ".join(arguments[:3]))


@pytest.mark.parametrize(
    ("env", "file"),
    [
        ({"MESH_TOKEN": secret("a"), "MESH_TOKEN_FILE": "b"}, ""),
        ({"MESH_REGISTRY": f"consul://{secret('a')}@x"}, f'token = ["{secret("list")}"]'),
        ({}, f'token = {{ a = "{secret("table")}" }}'),
        ({}, f'tokem = "{secret("typo")}"'),
        ({}, f'token = "{secret("half")}'),
        ({}, f'token = "{secret("both")}"\ntoken_file = "/x"'),
    ],
)
def test_no_complaint_about_a_configuration_repeats_one(env: dict[str, str], file: str, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(file)
    with pytest.raises(ConfigError) as refused:
        load(path, env)
    clean(str(refused.value), "the complaint")


@pytest.mark.parametrize(
    "text",
    [
        f'env = {{ A = ["{secret("list")}"] }}', f'env = "{secret("text")}"', f'[services.x]\nenv = ["{secret("x")}"]',
        f'[services.x]\nenv = {{ A = {{ B = "{secret("deep")}" }} }}', f'env = {{ A = "{secret("half")}',
        f'[consul]\njoin = ["u:{secret("join")}@a"]',
    ],
)  # fmt: skip
def test_no_complaint_about_a_plan_repeats_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        plans.load(tmp_path / "cluster.toml", outer={})
    clean(str(refused.value), "the complaint")


@pytest.mark.parametrize("line", ["X={}\n=oops {}", "1X={}", 'X="{}', "X='{}' y", "MESH_NAME={}"])
def test_no_complaint_about_dot_env_repeats_one(line: str, tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("[services.a]\n")
    (tmp_path / ".env").write_text(line.replace("{}", secret("dotenv")))
    with pytest.raises(ConfigError) as refused:
        plans.load(tmp_path / "cluster.toml", outer={})
    clean(str(refused.value), "the complaint")


@pytest.mark.parametrize("token", [f"{secret('x')}\n{secret('y')}", f"{secret('x')}\x00", f"{secret('é')}"])
@pytest.mark.parametrize("way", ["argument", "MESH_CONSUL_TOKEN", "CONSUL_HTTP_TOKEN"])
async def test_a_token_that_no_header_can_hold_is_refused_before_one_is_made(
    token: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "argument":
        if "\x00" in token:
            token = token.replace("\x00", "\x01")  # no environment holds the other
        monkeypatch.setenv(way, token)
    with pytest.raises(ValueError, match="is no text of one line") as refused:
        open_registry("consul://127.0.0.1:1", token=token if way == "argument" else None)
    clean(str(refused.value), "the complaint")
    assert (way in str(refused.value)) == (way != "argument")


async def test_white_space_around_a_token_is_not_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `export MESH_CONSUL_TOKEN="$(cat token; echo)"` leaves it."""
    monkeypatch.setenv("MESH_CONSUL_TOKEN", f"{secret('x')}\n")
    registry: Any = open_registry("consul://127.0.0.1:1")
    assert registry._api._consul.token == secret("x")


def test_whatever_holds_one_does_not_print_it() -> None:
    config = Config(token=Secret(secret("token")), registry=f"consul://u:{secret('u')}@a:1?token={secret('q')}&dc=x")
    plan = build(ClusterConfig, {"env": {"A": secret("env")}, "services": {"a": {"env": {"B": secret("env")}}}}, "x")
    for text in (repr(config.token), f"{config.token!s:>9}", json.dumps(config.to_public_dict()), repr(plan)):
        clean(text, text[:20])
    assert config.to_public_dict()["registry"] == "consul://***@a:1?token=***&dc=x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("consul://a:1,b:2?dc=x", "consul://a:1,b:2?dc=x"),
        ("consul://u:p@a:1,v:q@b:2", "consul://***@a:1,***@b:2"),
        ("https://a/x?token=abc&TOKEN=d&b=1", "https://a/x?token=***&TOKEN=***&b=1"),
        ("file:///home/a/peers.toml", "file:///home/a/peers.toml"),
    ],
)
def test_an_address_without_its_secrets(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_an_address_that_cannot_be_read_is_told_without_its_user() -> None:
    with pytest.raises(ValueError, match=re.escape("'***@host:1' is no HOST:PORT")):
        parse_address(f"u:{secret('p')}@host:1")
    with pytest.raises(ConfigError, match="MESH_CONSUL_TOKEN"):
        build(ConsulConfig, {"join": [f"u:{secret('p')}@host"]}, "x")
    assert "token" not in joining.shown("consul://a:1?token_file=/x")
