"""What every command does when it fails, is stopped, or has nobody to read it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mesh.cli import exits, main
from mesh.cli.exits import CommandError
from mesh.config import ConfigError
from mesh.errors import Busy


class Entry:
    """An entry point whose command does what a test wants."""

    name, value = "probe", "tests:probe"

    def __init__(self, action: Callable[[argparse.Namespace], Any]) -> None:
        self._action = action

    def load(self) -> Any:
        def register(commands: Any) -> None:
            commands.add_parser("probe").set_defaults(run=self._action)

        return register


class BrokenEntry(Entry):
    name = "broken"

    def load(self) -> Any:
        raise ImportError("no such module")


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def plug_in(*entries: Entry) -> None:
        monkeypatch.setattr(
            metadata, "entry_points", lambda *, group: entries if group == "thriftmesh.commands" else ()
        )

    return plug_in


def _raiser(error: BaseException) -> Callable[[argparse.Namespace], Any]:
    def action(args: argparse.Namespace) -> Any:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CommandError("no such thing", advice="make one"), 2, "mesh: no such thing\n  -> make one\n"),
        (CommandError("it does not hold", code=exits.NO), 1, "mesh: it does not hold\n"),
        (ConfigError("x.toml: a: unknown key"), 2, "mesh: x.toml: a: unknown key\n"),
        (
            Busy("queue full", service="shop", method="Shop::buy"),
            22,
            "mesh: shop Shop::buy: busy: queue full\n  -> the instance sheds load; add instances or call less\n",
        ),
        (
            KeyError("oops"),
            70,
            "mesh: internal error: KeyError: 'oops'\n  -> this is a bug in mesh; mesh --debug COMMAND shows where\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_failures(
    error: BaseException, code: int, text: str, plug_in: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(Entry(_raiser(error)))
    assert main.main(["probe"]) == code
    assert capsys.readouterr().err == text


def test_debug_shows_the_stack(plug_in: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    plug_in(Entry(_raiser(KeyError("oops"))))
    assert main.main(["--debug", "probe"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_commands_may_be_async(plug_in: Callable[..., None]) -> None:
    async def action(args: argparse.Namespace) -> int:
        return 7

    plug_in(Entry(action))
    assert main.main(["probe"]) == 7


def test_a_plug_in_that_cannot_be_loaded_costs_no_other_command(
    plug_in: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(BrokenEntry(_raiser(KeyError())), Entry(lambda args: 3))
    assert main.main(["probe"]) == 3
    assert "the command 'broken' (tests:probe) cannot be loaded: no such module" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["call"], ["list", "--nothing"], ["--vers"]])
def test_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(arguments)
    assert left.value.code == exits.USAGE


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("mesh ")


@contextlib.contextmanager
def _started(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`mesh ARGUMENTS` as a process of its own, gone at the end whatever happened."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    command = [sys.executable, "-m", "mesh.cli.main", *arguments]

    def as_from_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background has it ignored, and hands that on

    with subprocess.Popen(
        command, stderr=subprocess.PIPE, env=environment, preexec_fn=as_from_a_terminal, **more
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.integration
def test_ctrl_c_is_130_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        silent.settimeout(30)
        with _started("call", "shop", "Shop::buy", "--peer", f"{host}:{port}", "--timeout", "60000") as process:
            connection, _ = silent.accept()  # now it waits for an answer that does not come
            with connection:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")


@pytest.mark.integration
def test_a_reader_that_goes_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    contract = Path(__file__).parents[2] / "idl" / "pricing.thrift"
    try:
        with _started("describe", "--idl", str(contract), stdout=writing) as process:
            _, err = process.communicate(timeout=30)
    finally:
        os.close(writing)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize(
    "order", [["{}", "--timeout", "250"], ["--timeout", "250", "{}"], ["--json", "{}"], ["--json", "-"], ["-"]]
)
def test_the_body_may_stand_anywhere(order: list[str]) -> None:
    args = main._parse(["call", "shop", "Shop::buy", *order])
    assert args.body in ("{}", "-")


@pytest.mark.parametrize("order", [["{}", "{}"], ["--jsn"], ["--json", "{}", "x"]])
def test_what_is_left_over_is_refused(order: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["call", "shop", "Shop::buy", *order])
    assert ended.value.code == 2
