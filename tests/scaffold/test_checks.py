"""A fresh project passes everything that it is checked by, whatever its services are called, on a CI machine too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.scaffold import new_project, new_service

pytestmark = pytest.mark.integration

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """Runs a command with this environment's programs."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MESH_", "GIT_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": sys.prefix,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }

    def run(folder: Path, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False)
        assert code is None or done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done

    return run


def test_names_short_and_long(tmp_path: Path, run: Run) -> None:
    project = tmp_path / "p"
    new_project(project, service="a")
    new_service(project, "n" * 30)
    new_service(project, "trip_log_2")
    run(project, "ruff", "format", "--check", ".")
    run(project, "ruff", "check", ".")
    assert "6 kept, 0 broken" in run(project, "lint-imports").stdout
    assert "9 passed" in run(project, "pytest").stdout


def test_the_import_contracts_bite(tmp_path: Path, run: Run) -> None:
    project = tmp_path / "p"
    new_project(project)
    new_service(project, "prices")
    wrong = {
        "services/prices/service.py": ("import mesh", "Rules and models know neither Thrift nor mesh"),
        "services/prices/controllers.py": ("import services.greeter.models", "Services meet only through idl"),
        "services/prices/models.py": ("import services.prices.views", "Within a service"),
        "loadtest/steady.py": ("import services.greeter.models", "do not look inside a service"),
    }
    for path, (line, contract) in wrong.items():
        text = (project / path).read_text()
        (project / path).write_text(f"{text}\n{line}\n")
        broken = [one for one in run(project, "lint-imports", code=1).stdout.splitlines() if one.endswith("BROKEN")]
        assert any(contract in one for one in broken), (path, broken)
        (project / path).write_text(text)


def test_the_load_and_the_drill_run(tmp_path: Path, run: Run) -> None:
    """That they run and count; how fast a shared machine answers is not the matter here."""
    project = tmp_path / "p"
    new_project(project)
    both = "sh -c 'python -m loadtest; python -m chaos; true'"
    said = run(project, "mesh", "up", "--no-consul", "--run", both).stdout
    load = re.search(
        r"^(\d+) calls of Greeter::greet at 50 a second\nanswered ([\d.]+) %, promised 99.9 %\n", said, re.M
    )
    assert load is not None, said
    assert 200 < int(load[1]) <= 251
    assert float(load[2]) > 90
    drill = re.search(r"^stopping greeter-1\nstopping greeter-2\n(\d+) calls while .*, (\d+) failed$", said, re.M)
    assert drill is not None, said
    assert int(drill[2]) <= int(drill[1]) / 10


def test_ci_compares_with_the_main_branch(tmp_path: Path, run: Run) -> None:
    """As CI machines do it: a clone of one commit, and `.ci/run`."""
    project, origin, clone = tmp_path / "p", tmp_path / "origin.git", tmp_path / "clone"
    new_project(project)
    author = ["-c", "user.name=x", "-c", "user.email=x@localhost"]

    def commit(folder: Path) -> None:
        run(folder, "git", "add", "-A")
        run(folder, "git", *author, "commit", "-qm", "x")

    run(tmp_path, "git", "init", "-q", "--bare", "-b", "main", str(origin))
    run(project, "git", "init", "-q", "-b", "main")
    assert "nothing to compare with" in run(project, "make", "breaking").stdout
    commit(project)
    run(project, "git", "push", "-q", str(origin), "main")
    run(tmp_path, "git", "clone", "-q", "--depth=1", origin.as_uri(), str(clone))

    done = run(clone, ".ci/run")
    assert "Success: no issues found" in done.stdout
    assert "3 passed" in done.stdout
    assert "0 wire, 0 source, 0 promise" in done.stdout

    contract = clone / "idl" / "greeter.thrift"
    contract.write_text(contract.read_text().replace('timeout_ms = "500"', 'timeout_ms = "300"'))
    commit(clone)
    done = run(clone, ".ci/run", code=None)
    assert done.returncode != 0
    assert "timeout_ms was 500, is now 300" in done.stdout
