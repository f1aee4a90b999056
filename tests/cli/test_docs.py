"""docs/cli.md says what the code does."""

from __future__ import annotations

import argparse
from pathlib import Path

from mesh.cli import exits
from mesh.cli.main import make_parser
from mesh.errors import TABLE

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def _rows() -> str:
    lines = ["| code | name | what it means, what to do |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {code} | {name} | {what} |" for code, name, what in exits.table())])


def test_the_exit_codes_are_those_of_the_error_table() -> None:
    assert _rows() in DOCS.read_text(), f"docs/cli.md needs this table:\n\n{_rows()}\n"


def test_every_code_is_its_own() -> None:
    codes = [code for code, _, _ in exits.table()]
    assert len(set(codes)) == len(codes) == len(TABLE) + 7


def test_every_command_stands_in_the_docs() -> None:
    parser = make_parser()
    (commands,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    text = DOCS.read_text()
    assert len(commands.choices) >= 7
    for name in commands.choices:
        assert f"| `mesh {name}" in text
