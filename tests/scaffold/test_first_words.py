"""What a newcomer types first, and what the command line answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh.cli import main


def test_the_bare_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main([])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert "make a project, or a service in one" in err


@pytest.mark.parametrize("text", ["abc", "", "1s"])
def test_a_timeout_that_is_no_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["call", "shop", "Shop::buy", "--timeout", text])
    assert f"expected a number of milliseconds, got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["idl", "check"], ["idl", "build"], ["describe", "--idl"]])
def test_a_contract_that_is_not_there_has_no_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.thrift"
    assert main.main([*command, str(missing)]) != 0
    said = "".join(capsys.readouterr())
    assert f"{missing}: " in said
    assert "cannot be read: No such file or directory" in said
    assert "shows everything that is wrong" not in said


@pytest.mark.parametrize("command", [["idl", "check"], ["idl", "build"], ["idl", "build", "--check"]])
def test_a_folder_without_contracts_is_nothing_to_pass(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*command, str(tmp_path)]) == 1
    assert "no .thrift file in this folder or below it" in "".join(capsys.readouterr())


def test_the_same_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["idl", "check", "--json", str(tmp_path)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [(item["file"], item["line"], item["level"]) for item in said["findings"]] == [(str(tmp_path), 0, "error")]
