"""docs/languages/python-thrift and node-thrift: Apache's libraries, on code that Apache's compiler made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.languages import others
from tests.languages.conftest import EXAMPLES, ROOT, SAID, run

# The first run on a machine fetches the compiler and npm's packages.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(2 * others.INSTALL_TIMEOUT_S)]


def beside_generated_code(program: str, language: str, folder: Path) -> str:
    """A copy of the example's program in `folder`, with the code that it says it needs."""
    command = [
        str(others.thrift_compiler()),
        "-r",
        "--gen",
        language,
        "-out",
        str(folder),
        str(ROOT / "idl" / "pricing.thrift"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(shutil.copy(EXAMPLES / program, folder))


def test_apaches_python(pricing, tmp_path):
    program = beside_generated_code("python-thrift/client.py", "py", tmp_path)
    assert run([sys.executable, program, pricing]) == SAID


def test_npms_thrift(pricing, tmp_path):
    program = beside_generated_code("node-thrift/client.js", "js:node,es6", tmp_path)
    modules = others.node_modules(EXAMPLES / "node-thrift")
    assert run([*others.node(), program, pricing], NODE_PATH=str(modules)) == SAID
