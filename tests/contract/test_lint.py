"""`mesh idl check` and `mesh idl build`: findings, levels, exit codes, and what is written."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from mesh.cli import idl
from mesh.contract.lint import lint
from mesh.contract.loader import load
from mesh.contract.problem import Level

ROOT = Path(__file__).parents[2]

UNTIDY = """\
struct trip_request {
  1: i32 TripId
}
union choice { 1: i32 a }
exception no { }
enum trip_state {
  FINE, Also, notFine
}
service trips {
  void Start(1: i32 N)
  void fine(1: i32 lowerCamel, 2: i32 snake_case) (sla.p99_ms = "2000")
  oneway void tell()
}
"""
WARNINGS = [
    (1, "struct trip_request: names like this are written UpperCamel"),
    (2, "field TripId: names like this are written lower_case"),
    (4, "union choice: names"),
    (5, "exception no: names"),
    (6, "enum trip_state: names"),
    (7, "member notFine: names like this are written UPPER or Camel"),
    (9, "service trips: names"),
    (10, "trips.Start promises nothing: state sla.p99_ms"),
    (10, "method Start: names"),
    (10, "parameter N: names"),
    (11, "trips.fine: sla.p99_ms = 2000 is beyond the deadline of 1000 ms"),
]


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    idl.register(parser.add_subparsers())
    args = parser.parse_args(["idl", *argv])
    code: int = args.run(args)
    return code


def test_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.thrift").write_text(UNTIDY)
    found = sorted((item.line, item.reason, item.level) for item in lint([tmp_path / "a.thrift"]))
    for (line, reason, level), (expected_line, expected) in zip(found, sorted(WARNINGS), strict=True):
        assert (line, level) == (expected_line, Level.WARNING)
        assert expected in reason


def test_a_services_sla_counts_for_its_methods_and_inherited_ones_are_their_own_files(tmp_path: Path) -> None:
    (tmp_path / "base.thrift").write_text("service Base { void f() }")
    (tmp_path / "a.thrift").write_text(
        'include "base.thrift" service S extends base.Base { void g() } (sla.availability = "99")'
    )
    found = lint([tmp_path / "a.thrift", tmp_path / "base.thrift"])
    assert [(Path(item.file).name, item.reason) for item in found] == [
        ("base.thrift", "Base.f promises nothing: state sla.p99_ms")
    ]


def test_errors_and_warnings_together_each_once(tmp_path: Path) -> None:
    (tmp_path / "b.thrift").write_text("\nstruct A { 0: i32 x }")
    for name in ("a", "c"):
        (tmp_path / f"{name}.thrift").write_text('include "b.thrift"\nstruct lower { }')
    found = [(Path(item.file).name, item.line, item.level) for item in lint([tmp_path])]
    assert found == [
        ("a.thrift", 2, Level.WARNING),
        ("b.thrift", 2, Level.ERROR),
        ("c.thrift", 2, Level.WARNING),
    ]


def test_the_citys_contracts_and_meta_are_clean() -> None:
    assert lint([ROOT / "idl", ROOT / "mesh"]) == []


def test_check_prints_findings_and_exits_by_their_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.thrift"
    file.write_text("struct lower { }")
    assert run("check", str(file)) == 0
    assert capsys.readouterr().out == (
        f"{file}:1: warning: struct lower: names like this are written UpperCamel, as in QuoteRequest\n"
        "0 errors, 1 warning\n"
    )
    file.write_text("const byte B = 9999")
    assert run("check", str(file)) == 1
    assert capsys.readouterr().out == (f"{file}:1: error: 9999 is no i8: that is -128 to 127\n1 error, 0 warnings\n")


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.thrift"
    file.write_text("const byte B = 9999")
    assert run("check", str(file), "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "errors": 1,
        "warnings": 0,
        "findings": [{"file": str(file), "line": 1, "level": "error", "reason": "9999 is no i8: that is -128 to 127"}],
    }


def test_check_of_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(tmp_path / "no.thrift")) == 1
    assert "cannot be read: No such file" in capsys.readouterr().out


def test_include_directories(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "b.thrift").write_text("")
    (tmp_path / "a.thrift").write_text('include "b.thrift"')
    assert run("check", str(tmp_path / "a.thrift")) == 1
    assert run("check", "-I", str(tmp_path / "inc"), str(tmp_path / "a.thrift")) == 0
    assert run("build", "-I", str(tmp_path / "inc"), str(tmp_path / "a.thrift")) == 0


def test_build_writes_what_is_not_fresh_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, stub = tmp_path / "a.thrift", tmp_path / "a.pyi"
    file.write_text("struct A { 1: i32 x }")
    assert run("build", "--check", str(tmp_path)) == 1
    out, err = capsys.readouterr()
    assert (out, err) == (f"{stub}: missing\n", f"run: mesh idl build {tmp_path}\n")
    assert not stub.exists()

    assert run("build", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{stub}: written\n"
    assert "class A:" in stub.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pyi", "a.thrift"]

    before = stub.stat()
    assert run("build", str(tmp_path)) == 0
    assert run("build", "--check", str(tmp_path)) == 0
    assert (capsys.readouterr().out, stub.stat()) == ("", before)

    file.write_text("struct B { 1: i32 x }")
    assert run("build", "--check", str(file)) == 1
    assert capsys.readouterr().out == f"{stub}: stale\n"
    assert "class A:" in stub.read_text()


def test_build_of_a_broken_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.thrift").write_text("const byte B = 9999")
    assert run("build", str(tmp_path)) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'a.thrift'}:1: 9999 is no i8: that is -128 to 127\n"
    (tmp_path / "a.thrift").rename(tmp_path / "my-trips.thrift")
    (tmp_path / "my-trips.thrift").write_text("struct A { }")
    assert run("build", str(tmp_path)) == 1
    assert "'my-trips' is no plain name of letters, digits and underscores; rename the file" in capsys.readouterr().err
    assert load(tmp_path / "my-trips.thrift").name == "my-trips"  # tools may still read it


def test_the_command_line_must_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["check"], ["build"], ["check", "--nope", "x"]):
        with pytest.raises(SystemExit) as caught:
            run(*argv)
        assert caught.value.code == 2
        assert "usage" in capsys.readouterr().err
