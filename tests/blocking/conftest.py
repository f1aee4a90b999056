"""A server process for blocking clients, and programs that use it as a user's would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh import blocking
from tests.node.interop import interop

ROOT = Path(__file__).parents[2]


def clean_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@pytest.fixture
def start_echo() -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts a server; gives its process and its address. It ends with the test."""
    started = []

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.blocking.echo"],
            cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def echo(start_echo: Callable[[], tuple[subprocess.Popen[str], str]]) -> str:
    """The address of a server of the interop contract."""
    return start_echo()[1]


@pytest.fixture
def node() -> Iterator[blocking.Node]:
    with blocking.Node("test", env={}) as node:
        yield node


@pytest.fixture
def client(node: blocking.Node, echo: str) -> Any:
    return node.client(interop.Echo, peers=[echo])


def seen(client: Any, **wanted: float) -> dict[str, float]:
    """What the server saw, once it has seen what is wanted (or 10 s have passed: then the test fails on it)."""
    until = time.monotonic() + 10
    while True:
        found: dict[str, float] = json.loads(client.touch("seen"))
        if all(found.get(key, 0) == value for key, value in wanted.items()) or time.monotonic() > until:
            return found
        time.sleep(0.01)


def run_program(text: str, address: str, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs a program as its user would; ADDRESS in its environment says where the server is."""
    return subprocess.run(
        [sys.executable, *options, "-c", text], cwd=ROOT, env=clean_environment(ADDRESS=address),
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


@pytest.fixture
def soak_cases() -> Callable[[int], int]:
    """How many cases: THRIFTMESH_SOAK_CASES in a soak, else the test's own number."""
    return lambda default: int(os.environ.get("THRIFTMESH_SOAK_CASES", default))
