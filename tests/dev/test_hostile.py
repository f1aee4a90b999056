"""Files that no editor should write: nothing of `mesh dev` may stop over them, or wait for them."""

import os
import random

import pytest

from mesh.cluster.plan import ClusterConfig
from mesh.config import build
from mesh.dev import check
from mesh.dev.tree import MAX_SOURCE_BYTES, Tree, changed
from mesh.dev.uses import Uses

NAMES = ("app/__main__.py", "app/a.py", "app/b/__init__.py", "app/c.thrift", "app/d.thrift", "x.py/y.py", "app/e.py")
WORDS = (
    b"import app.a\n", b"from . import b\n", b"from .... import z\n", b"from app import *\n",
    b"import_module('app.b')\n", b"import " + b"a." * 300 + b"b\n", b"import " + b"x" * 5000 + b"\n",
    b"(" * 5000, b"-" * 3000 + b"1\n",
    b"x = 1\n", b"def f(:\n", b"\0", b"\xff\xfe", b"# coding: nonsense\n", b"# coding: latin-1\nx = '\xe9'\n",
    b'include "d.thrift"\n', b'include "../../../etc/passwd.thrift"\n', b'include "\0"\n', b"struct A {",
    b"service S extends d.S {}\n",
)  # fmt: skip


def scribble(root, rng):
    """One thing that happens to a file."""
    path = root / rng.choice(NAMES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        match rng.randrange(6):
            case 0:
                path.unlink()
            case 1:
                path.symlink_to(root / rng.choice(NAMES))
            case 2:
                path.rename(root / rng.choice(NAMES))
            case _:
                path.write_bytes(b"".join(rng.choices(WORDS, k=rng.randrange(6))))
    except OSError:
        pass  # a folder where a file should be, or none: as it comes


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_written_is_looked_at_and_judged(tmp_path, seed):
    rng = random.Random(seed)
    config = build(
        ClusterConfig, {"services": {"app": {"command": ["{python}", "-m", "app"], "watch": ["app"]}}}, "test"
    )
    uses = Uses(config, tmp_path)
    tree = Tree(tmp_path, uses.named)
    before = tree.look()
    for _ in range(25):
        for _ in range(rng.randrange(1, 4)):
            scribble(tmp_path, rng)
        files = tree.look()
        paths = changed(before, files)
        touched = uses.touched(paths, files)
        written, faults = check.contracts(paths, files)
        faults |= check.programs(paths)
        assert touched.keys() <= {"app"}
        assert all(path.suffix == ".pyi" for path in written)
        assert all(finding.reason for found in faults.values() for finding in found)
        before = files


def test_pipes_and_giants_are_not_read(tmp_path):
    (tmp_path / "app").mkdir()
    os.mkfifo(tmp_path / "app" / "pipe.py")
    (tmp_path / "app" / "__main__.py").write_text("from app import pipe, giant\n")
    with (tmp_path / "app" / "giant.py").open("wb") as giant:
        giant.write(b"import app.other\n")
        giant.truncate(MAX_SOURCE_BYTES + 1)
    (tmp_path / "app" / "other.py").write_text("")
    uses = Uses(build(ClusterConfig, {"services": {"app": {"command": ["{python}", "-m", "app"]}}}, "test"), tmp_path)
    uses.update(Tree(tmp_path).look())
    assert {path.name for path in uses.known["app"]} == {"__main__.py", "giant.py"}
    assert check.programs([tmp_path / "app" / "giant.py"]) == {tmp_path / "app" / "giant.py": ()}
