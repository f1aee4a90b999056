"""docs/ci.md: its script, as it stands there, in a project with a remote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "ci.md").read_text("utf-8")
IDL = 'service Greeter { string hello(1: string name) (timeout_ms = "500") }\n'
IGNORE = """[[ignore]]
code = "timeout-shorter"
method = "Greeter::hello"
reason = "nobody waits that long"
"""
ENV = {
    **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST_"))},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def _git(folder: Path, *args: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", *identity, *args], cwd=folder, env=ENV, check=True, capture_output=True, timeout=60)


def _ci(folder: Path, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", ".ci/run"], cwd=folder, env={**ENV, **more}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone of one commit, of a project whose main branch has a contract, the script and a test."""
    origin = tmp_path / "origin"
    for name, text in {
        "idl/greeter.thrift": IDL,
        ".ci/run": _block("sh"),
        "tests/test_it.py": "def test_it():\n    pass\n",
    }.items():
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_text(text, "utf-8")
    subprocess.run(["mesh", "idl", "build", "idl"], cwd=origin, env=ENV, check=True, capture_output=True, timeout=60)
    _git(origin, "init", "-q", "-b", "main")
    _git(origin, "add", "-A")
    _git(origin, "commit", "-qm", "first")
    _git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", "work")
    return tmp_path / "work"


@pytest.mark.integration
def test_the_script_says_what_breaks_and_takes_a_reason(project: Path) -> None:
    contract = project / "idl" / "greeter.thrift"
    code, said = _ci(project)
    assert code == 0, said
    assert "1 contract compared: 0 wire, 0 source, 0 promise, 0 info" in said
    assert "1 passed" in said

    contract.write_text(IDL.replace('"500"', '"400"'), "utf-8")
    code, said = _ci(project)
    assert code == 1
    assert "promise Greeter::hello: timeout_ms was 500, is now 400  [timeout-shorter]" in said
    assert "passed" not in said, "it ends at the first question that has no good answer"

    (project / ".idl-breaking.toml").write_text(IGNORE, "utf-8")
    _git(project.parent / "origin", "branch", "release")
    code, said = _ci(project, BASE="release")
    assert code == 0, said
    assert "1 ignored" in said


@pytest.mark.integration
def test_a_main_branch_without_contracts_is_nothing_to_compare_with(project: Path) -> None:
    origin = project.parent / "origin"
    _git(origin, "rm", "-rq", "idl")
    _git(origin, "commit", "-qm", "none yet")
    code, said = _ci(project)
    assert code == 0, said
    assert "no contracts in origin/main yet" in said


def test_the_workflow_runs_the_script() -> None:
    workflow = _block("yaml")
    assert "bash .ci/run" in workflow
    assert "BASE: ${{ github.base_ref || 'main' }}" in workflow
