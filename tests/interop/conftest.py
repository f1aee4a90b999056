"""Other people's Thrift: their compiler, their code, their libraries.

One rule: a test that asks for one of these gets it or fails and says what is missing (`tests/languages/others.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.languages import others

HERE = Path(__file__).parent
IDL = HERE.parents[1] / "idl" / "interop.thrift"
RUN_TIMEOUT_S = 60.0  # a client's whole run takes a few seconds

RunClient = Callable[..., Awaitable[str]]
RunServer = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session")
def thrift_compiler() -> Path:
    return others.thrift_compiler()


def _generate(thrift: Path, language: str, idl: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    command = [thrift, "--gen", language, "-out", str(out), str(idl)]
    subprocess.run(command, check=True, capture_output=True, timeout=RUN_TIMEOUT_S)


@pytest.fixture(scope="session")
def python_code(thrift_compiler: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Apache's Python for the two contracts."""
    folder = tmp_path_factory.mktemp("apache-python")
    for idl in (IDL, HERE / "other.thrift"):
        _generate(thrift_compiler, "py", idl, folder)
    return folder


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """npm's thrift, installed once into the cache."""
    return others.node_modules(HERE.parents[1] / "docs" / "languages" / "node-thrift")


@pytest.fixture(scope="session")
def node_code(thrift_compiler: Path, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Apache's JavaScript for the two contracts, npm's packages beside it, and our two scripts."""
    folder = tmp_path_factory.mktemp("npm-thrift")
    (folder / "node_modules").symlink_to(node_modules)
    _generate(thrift_compiler, "js:node,es6", IDL, folder)
    _generate(thrift_compiler, "js:node,es6", HERE / "other.thrift", folder / "other")
    for script in HERE.glob("*.js"):
        shutil.copy(script, folder)
    return folder


def python_command(script: str, code: Path) -> tuple[list[str], dict[str, str]]:
    """Runs a script beside this file on Apache's code, and on nothing of this project."""
    path = os.pathsep.join((str(code), str(HERE)))
    return [sys.executable, "-P", str(HERE / script)], {**os.environ, "PYTHONPATH": path}


def node_command(script: str, code: Path) -> tuple[list[str], dict[str, str]]:
    return [*others.node(), str(code / script)], dict(os.environ)


@pytest.fixture
def run_client() -> RunClient:
    """Runs a client to its end and gives what it printed; fails with its stderr."""

    async def run(command: tuple[list[str], dict[str, str]], *args: str) -> str:
        argv, env = command
        process = await asyncio.create_subprocess_exec(
            *argv, *args, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), RUN_TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 0, err.decode()[-3000:]
        return out.decode()

    return run


@pytest.fixture
def run_server() -> RunServer:
    """Starts a server that prints its port, and gives its address."""

    @contextlib.asynccontextmanager
    async def run(command: tuple[list[str], dict[str, str]], *args: str) -> AsyncIterator[str]:
        argv, env = command
        process = await asyncio.create_subprocess_exec(
            *argv, *args, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            assert process.stdout is not None
            port = await asyncio.wait_for(process.stdout.readline(), RUN_TIMEOUT_S)
            assert port.strip().isdigit(), "the server did not start"
            yield f"127.0.0.1:{int(port)}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    return run
