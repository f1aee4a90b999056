"""The wheel of this checkout, built from a copy of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build_wheel(work: Path) -> Path:
    """The one that `THRIFTMESH_WHEEL` names (make builds it, compiled), else one built, not compiled, in `work`.

    `work` is an empty folder. Needs setuptools in the running Python.
    """
    built = os.environ.get("THRIFTMESH_WHEEL")
    if built:
        return ROOT / built
    # From a copy: setuptools leaves its `build/lib` in the folder, and others work in this one.
    copy = work / "checkout"
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    for folder in ("mesh", "idl", "services", "bench"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "wheels", "."]
    subprocess.run(command, cwd=copy, check=True, timeout=100, env=os.environ | {"THRIFTMESH_COMPILE": "no"})
    (wheel,) = (copy / "wheels").glob("*.whl")
    return wheel
