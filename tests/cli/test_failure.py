"""What a failed command says under --json: one object, the last line of stderr, the same for every command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from mesh.cli import exits, failure
from mesh.cli.completion.tree import Command, commands_of
from mesh.cli.exits import CommandError
from mesh.cli.failure import wants_json
from mesh.cli.main import main, make_parser
from mesh.config import ConfigError
from mesh.discovery import RegistryError
from mesh.errors import Busy


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    out, err = capsys.readouterr()
    assert out == ""
    (answer,) = [json.loads(line) for line in err.splitlines()][-1:]
    assert list(answer) == ["error"]
    assert list(answer["error"]) == ["name", "exit", "text", "advice"]
    return answer["error"]


@pytest.mark.parametrize(
    ("error", "name", "code", "text", "advice"),
    [
        (CommandError("no such thing", advice="make one"), "usage", 2, "no such thing", "make one"),
        (CommandError("it does not\nhold", code=exits.NO), "no", 1, "it does not\nhold", None),
        (ConfigError("x.toml: a: unknown key"), "usage", 2, "x.toml: a: unknown key", None),
        (Busy("full", service="shop"), "busy", 22, "shop: busy: full", "the instance sheds load"),
        (RegistryError("refused"), "unreachable", 29, "the registry did not answer: refused", "is it up"),
        (KeyError("oops"), "internal", 70, "internal error: KeyError: 'oops'", "this is a bug"),
        (CommandError("control \x1b[31m \u2028"), "usage", 2, "control \x1b[31m \u2028", None),
    ],
)  # fmt: skip
def test_every_failure_is_one_object(
    error: Exception, name: str, code: int, text: str, advice: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure.report(error, json=True) == code
    said = told(capsys)
    assert (said["name"], said["exit"], said["text"]) == (name, code, text)
    assert said["advice"] is None if advice is None else said["advice"].startswith(advice)


@pytest.mark.parametrize(
    ("arguments", "text", "advice"),
    [
        (["list", "--jsn", "--json"], "unrecognized arguments: --jsn", "mesh --help"),
        (["list", "--jso", "--json"], "unrecognized arguments: --jso", "mesh --help"),
        (["--json", "no-such-command"], "argument COMMAND: invalid choice: 'no-such-command'", "mesh --help"),
        (["idl", "check", "--json"], "the following arguments are required: FILES", "mesh idl check --help"),
        (["call", "shop", "--json", "--timeout", "0"], "argument --timeout: expected from 1", "mesh call --help"),
    ],
)
def test_a_command_line_that_cannot_be_read(
    arguments: list[str], text: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == exits.USAGE
    said = told(capsys)
    assert said["name"] == "usage"
    assert said["text"].startswith(text)
    assert said["advice"] == advice


def test_without_json_it_is_argparses_own_form(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["idl", "check"])
    assert left.value.code == exits.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: mesh idl check ")
    assert err.endswith("mesh idl check: error: the following arguments are required: FILES\n")


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [(["list", "--json"], True), (["list"], False), (["call", "a", "b", "--", "--json"], False), ([], False)],
)
def test_json_is_seen_also_where_the_line_cannot_be_read(argv: list[str], wanted: bool) -> None:
    assert wants_json(argv) is wanted


# What prints a script, which is no object.
WITHOUT = {"completion"}


def test_every_command_has_it() -> None:
    leaves = {one.path: one for one in commands_of(make_parser()) if not one.commands}
    assert {"list", "idl build", "down", "consul get", "doctor"} <= set(leaves)
    assert {path for path, one in leaves.items() if not has_json(one)} == WITHOUT


def has_json(one: Command) -> bool:
    return any("--json" in option.names for option in one.options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"], ["health", "x"], ["describe", "x"], ["ps"], ["restart", "x"], ["scale", "x=2"], ["logs"], ["reset"],
        ["up"], ["dev"], ["idl", "diff", "x"], ["idl", "pull", "x"], ["idl", "usage", "x"],
        ["idl", "build", "no.thrift"], ["idl", "breaking", "no", "such"], ["new", "service", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_where_nothing_is_there_each_says_so(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty folder: no cluster, no plan, no contract, no project."""
    monkeypatch.chdir(tmp_path)
    if arguments[0] not in known():
        pytest.fail(f"mesh {arguments[0]} is gone: take it out of this list")
    code = main([*arguments, "--json"])
    said = told(capsys)
    assert code == said["exit"] != 0
    assert said["text"]
    assert "internal error" not in said["text"]


def known() -> set[str]:
    (commands,) = [one for one in make_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return set(commands.choices)
