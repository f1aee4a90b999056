"""What is said of an edit before anything starts, and of a start that failed."""

import importlib.util
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.dev import check, failure
from mesh.dev.tree import Tree


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"x = 1\n", None, ""),
        (b"def f(:\n", 1, "SyntaxError: invalid syntax: def f(:"),
        (b"x = 1\nif x:\npass\n", 3, "IndentationError"),
        (b"x = '\xff'\n", 1, "SyntaxError"),
        (b"x = '\\d'\n", None, ""),  # a warning is none of ours
        (b"x = 1\0\n", 1, "null bytes"),
        (b"return 1\n", 1, "SyntaxError: 'return' outside function"),
    ],
)
def test_python_that_does_not_compile(tmp_path, text, line, reason):
    path = tmp_path / "a.py"
    path.write_bytes(text)
    found = check.programs([path, tmp_path / "gone.py", tmp_path / "a.thrift"])
    assert found.keys() == {path, tmp_path / "gone.py"}
    assert found[tmp_path / "gone.py"] == ()
    if line is None:
        assert found[path] == ()
    else:
        (finding,) = found[path]
        assert reason in finding.reason
        assert finding.line in (line, 0)


def contracts(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.thrift").write_text(text)
    return Tree(folder).look()


def test_stubs_are_rebuilt_for_a_contract_and_those_that_include_it(tmp_path):
    files = contracts(
        tmp_path,
        geo="struct Point { 1: i32 x }\n",
        a='include "geo.thrift"\nstruct A { 1: geo.Point p }\n',
        b="struct B {}\n",
    )
    written, faults = check.contracts([tmp_path / "geo.thrift"], files)
    assert sorted(path.name for path in written) == ["a.pyi", "geo.pyi"]
    assert not any(faults.values())
    assert check.contracts([tmp_path / "geo.thrift"], files)[0] == []  # a fresh one is not touched
    assert check.contracts([tmp_path / "a.py"], files) == ([], {})


def test_a_broken_contract_is_told_with_its_place_and_its_stub_stays(tmp_path):
    files = contracts(
        tmp_path, geo="struct Point { 1: i32 x }\n", a='include "geo.thrift"\nstruct A { 1: geo.Point p }\n'
    )
    check.contracts(files, files)
    before = (tmp_path / "geo.pyi").read_text()
    files = contracts(tmp_path, geo="struct Point {\n 1: i3 x\n}\n")
    written, faults = check.contracts([tmp_path / "geo.thrift"], files)
    assert written == []
    assert {(one.file, one.line) for found in faults.values() for one in found} == {(str(tmp_path / "geo.thrift"), 2)}
    assert (tmp_path / "geo.pyi").read_text() == before


def test_a_contract_that_is_gone_is_missed_by_those_that_include_it(tmp_path):
    contracts(tmp_path, geo="struct Point {}\n", a='include "geo.thrift"\n')
    (tmp_path / "geo.thrift").unlink()
    _, faults = check.contracts([tmp_path / "geo.thrift"], Tree(tmp_path).look())
    assert "is not there" in faults[tmp_path / "a.thrift"][0].reason


def test_a_second_edit_within_a_second_and_of_the_same_length_is_not_hidden_by_the_first(tmp_path):
    """Python takes a .pyc for fresh whose source has the same size and the same whole second of change."""
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    py_compile.compile(str(path))
    assert Path(importlib.util.cache_from_source(str(path))).exists()
    check.forget_compiled([path, tmp_path / "b.py", tmp_path / "c.thrift"])
    assert not Path(importlib.util.cache_from_source(str(path))).exists()


def failed(folder, command=("-m", "app")):
    process = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    assert process.returncode != 0
    return failure.read(process.stderr.splitlines(), lambda path: path.is_relative_to(folder), "exit code 1")


@pytest.mark.parametrize(
    ("files", "file", "line", "reason"),
    [
        ({"app.py": "import json\n\nimport nothing_like_it\n"}, "app.py", 3,
         "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ({"app.py": "import part\n", "part.py": "x = 1\nx.y.z\n"}, "part.py", 2,
         "AttributeError: 'int' object has no attribute 'y'"),
        ({"app.py": "import json\njson.loads('{')\n"}, "app.py", 2, "json.decoder.JSONDecodeError: "),
        ({"app.py": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')\n"}, "app.py", 4,
         "ValueError: second"),
        ({"app.py": "import asyncio\nasync def main():\n    async with asyncio.TaskGroup() as g:\n"
          "        g.create_task(bad())\nasync def bad():\n    raise OSError(98, 'taken')\nasyncio.run(main())\n"},
         "app.py", 6, "OSError: [Errno 98] taken"),
        ({"app.py": "import part\n", "part.py": "def f(:\n"}, "part.py", 1, "SyntaxError: invalid syntax"),
        ({"app.py": "class Odd(Exception): pass\nraise Odd\n"}, "app.py", 2, "Odd"),
    ],
)  # fmt: skip
def test_where_a_start_failed(tmp_path, files, file, line, reason):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = failed(tmp_path)
    assert (found.file, found.line) == (str(tmp_path / file), line)
    assert found.reason.startswith(reason)
    assert found.lines


def test_a_contract_that_cannot_be_imported_names_its_own_place(tmp_path):
    (tmp_path / "idl").mkdir()
    (tmp_path / "idl/__init__.py").write_text("import mesh\nmesh.contracts(__name__)\n")
    (tmp_path / "idl/a.thrift").write_text("struct A {\n  1: i3 x\n}\n")
    (tmp_path / "app.py").write_text("from idl import a\n")
    found = failed(tmp_path)
    assert (found.file, found.line) == (str(tmp_path / "idl/a.thrift"), 2)
    assert "i3" in found.reason


def test_output_without_a_stack_has_its_last_lines_and_what_the_supervisor_knows():
    found = failure.read([f"line {n}" for n in range(50)], lambda path: True, "exit code 3")
    assert (found.file, found.line, found.reason) == ("", 0, "exit code 3: line 49")
    assert found.lines[-1] == "line 49"
    assert len(found.lines) == failure.MAX_LINES
    assert failure.read([], lambda path: True, "killed by SIGKILL").lines == ()
