"""Nothing that came from outside reaches the terminal as a command."""

from __future__ import annotations

import io
import json
import sys

import pytest

from mesh.cli.output import print_json, print_line
from mesh.cli.table import columns

EVIL = "a\x1b[2Jb\nc\x9bd\u2028e"


def test_lines_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(EVIL, error=True)
    assert capsys.readouterr().err == "a\\x1b[2Jb\\nc\\x9bd\\u2028e\n"
    assert "\x1b" not in columns(("x",), [(EVIL,)])


def test_json_is_escaped_and_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"x": EVIL, "y": "Montréal"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"x": EVIL, "y": "Montréal"}
    assert "Montréal" in out
    assert not {"\x1b", "\x9b", "\u2028"} & set(out)


def test_a_terminal_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_json("Montréal", indent=None)
    print_line("Montréal")
    sys.stdout.flush()
    assert raw.getvalue() == b'"Montr\\u00e9al"\nMontr\\xe9al\n'
