"""Which services a change touches, out of what their programs import."""

import os

import pytest

from mesh.cluster.plan import ClusterConfig
from mesh.config import build
from mesh.dev import imports
from mesh.dev.tree import Tree
from mesh.dev.uses import Uses

PROJECT = {
    "idl/__init__.py": "import mesh\nmesh.contracts(__name__)\n",
    "idl/geo.thrift": "struct Point {}\n",
    "idl/pricing.thrift": 'include "geo.thrift"\nservice Pricing {}\n',
    "idl/trips.thrift": "service Trips {}\n",
    "services/__init__.py": "",
    "services/distance.py": "",
    "services/pricing/__init__.py": "",
    "services/pricing/__main__.py": "import mesh\nfrom idl import pricing\nfrom services.pricing.rules import fare\n",
    "services/pricing/rules.py": "from services.distance import km\nfrom .tables import TABLE\n",
    "services/pricing/tables.py": "",
    "services/pricing/notes.py": "",
    "services/trips/__init__.py": "",
    "services/trips/__main__.py": "from idl import trips, geo\nimport services.distance as d\n",
    "services/trips/lazy.py": "",
    "tests/test_pricing.py": "from services.pricing import rules\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def uses_of(project, **services):
    plan = build(ClusterConfig, {"services": services or {"pricing": {}, "trips": {}}}, "test")
    uses = Uses(plan, project)
    tree = Tree(project, uses.named)
    uses.update(tree.look())
    return uses, tree


@pytest.mark.parametrize(
    ("file", "services"),
    [
        ("services/pricing/rules.py", {"pricing"}),
        ("services/pricing/tables.py", {"pricing"}),  # by a relative import, at second hand
        ("services/distance.py", {"pricing", "trips"}),
        ("idl/pricing.thrift", {"pricing"}),
        ("idl/geo.thrift", {"pricing", "trips"}),  # included by the one, imported by the other
        ("idl/__init__.py", {"pricing", "trips"}),
        ("services/__init__.py", {"pricing", "trips"}),
        ("services/pricing/notes.py", set()),  # imported by nobody
        ("tests/test_pricing.py", set()),
    ],
)
def test_who_needs_a_file(project, file, services):
    uses, tree = uses_of(project)
    files = tree.look()
    assert uses.touched([project / file], files).keys() == services


def test_a_module_that_comes_and_one_that_goes(project):
    uses, tree = uses_of(project)
    rules, new = project / "services/pricing/rules.py", project / "services/pricing/new.py"
    rules.write_text("import services.pricing.new\n")
    assert uses.touched([rules], tree.look()) == {"pricing": {rules}}
    new.write_text("")  # the import failed until now
    assert uses.touched([new], tree.look()) == {"pricing": {new}}
    new.unlink()
    assert uses.touched([new], tree.look()) == {"pricing": {new}}
    tables = project / "services/pricing/tables.py"
    tables.write_text("X = 1\n")
    assert uses.touched([tables], tree.look()) == {}  # no longer imported


def test_a_file_with_a_syntax_error_keeps_the_imports_that_it_had(project):
    uses, tree = uses_of(project)
    rules, tables = project / "services/pricing/rules.py", project / "services/pricing/tables.py"
    rules.write_text("from .tables import (\n")
    assert uses.touched([rules], tree.look()).keys() == {"pricing"}
    tables.write_text("X = 1\n")
    assert uses.touched([tables], tree.look()).keys() == {"pricing"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import services.trips.lazy", True),
        ("from services.trips import lazy", True),
        ("from . import lazy", True),
        ("from .lazy import *", True),
        ("from ..trips.lazy import x", True),
        ("def f():\n    from services.trips import lazy", True),
        ("try:\n    import services.trips.lazy\nexcept ImportError: pass", True),
        ("import importlib\nimportlib.import_module('services.trips.lazy')", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import lazy", False),
        ("import typing\nif typing.TYPE_CHECKING:\n    from . import lazy\nelse:\n    import json", False),
        ("'import services.trips.lazy'", False),
        ("import services.tripslazy", False),
        ("from .... import lazy", False),  # beyond the top
    ],
)
def test_the_ways_to_import(project, text, found):
    (project / "services/trips/__main__.py").write_text(text)
    uses, _ = uses_of(project)
    assert (project / "services/trips/lazy.py" in uses.known["trips"]) == found


def test_programs_that_are_no_modules_of_the_project(project):
    for name in ("legacy/server.js", "legacy/rules/a.json", "tools/run.py", "tools/part.py", "run.sh"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    (project / "tools/run.py").write_text("import part\n")
    (project / "src").mkdir()
    (project / "src/inside.py").write_text("")
    uses, _ = uses_of(
        project,
        legacy={"command": ["node", "server.js"], "cwd": "legacy", "watch": ["legacy/rules"]},
        script={"command": ["{python}", "tools/run.py"]},
        shell={"command": ["./run.sh", "{port}"]},
        laid_out={"command": ["{python}", "-m", "inside"], "env": {"PYTHONPATH": f"nowhere{os.pathsep}src"}},
        elsewhere={"command": ["/bin/sleep", "60"]},
    )
    names = {service: {str(path.relative_to(project)) for path in paths} for service, paths in uses.known.items()}
    assert names == {
        "legacy": {"legacy/server.js", "legacy/rules/a.json"},
        "script": {"tools/run.py", "tools/part.py"},
        "shell": {"run.sh"},
        "laid_out": {"src/inside.py"},
        "elsewhere": set(),
    }


def test_circles_end(project):
    (project / "services/pricing/tables.py").write_text("import services.pricing.rules\n")
    (project / "idl/geo.thrift").write_text('include "pricing.thrift"\n')
    uses, _ = uses_of(project)
    assert project / "services/pricing/tables.py" in uses.known["pricing"]


def test_an_edit_costs_reading_one_file_however_many_services_need_it(project, monkeypatch):
    """A look at all of a project's imports takes seconds of a processor where it has hundreds of files."""
    uses, tree = uses_of(project)
    read = []
    imported = imports._imported
    monkeypatch.setattr(imports, "_imported", lambda source, package: read.append(package) or imported(source, package))
    distance = project / "services/distance.py"
    distance.write_text("import math\n")
    assert uses.touched([distance], tree.look()).keys() == {"pricing", "trips"}
    assert read == ["services"]
    new = project / "services/pricing/new.py"
    new.write_text("")  # other modules may be meant from now on, but nothing is to be read again
    assert uses.touched([new], tree.look()) == {}
    assert read == ["services"]
