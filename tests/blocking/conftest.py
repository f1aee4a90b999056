"""A server process for blocking clients, and programs that use it as a user's would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mesh import blocking
from tests.node.interop import interop

ROOT = Path(__file__).parents[2]


def clean_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def echo_process(**env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server's process and its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.blocking.echo"],
        cwd=ROOT, env=clean_environment(**env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


Seen = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[str, Any]]:
    """A server's address, and a client that asks it what it saw."""
    with echo_process() as (_, address), blocking.Node("watch", env={}) as node:
        yield address, node.client(interop.Echo, peers=[address])


@pytest.fixture
def seen(watched: tuple[str, Any]) -> Seen:
    """Asks the server what it saw since the test began, once it has seen what is wanted.

    After 20 s it answers all the same: the test then fails on it. Its own connection does not count.
    """

    def ask(**wanted: float) -> dict[str, float]:
        until = time.monotonic() + 20
        while True:
            found: dict[str, float] = json.loads(watched[1].touch("seen"))
            if all(found.get(key, 0) == value for key, value in wanted.items()) or time.monotonic() > until:
                return found
            time.sleep(0.005)

    watched[1].touch("forget")
    assert ask(standing=0)["standing"] == 0  # the last test's connections are gone
    watched[1].touch("forget")
    return ask


@pytest.fixture
def echo(watched: tuple[str, Any], seen: Seen) -> str:
    """The address of a server of the interop contract."""
    return watched[0]


@pytest.fixture
def node() -> Iterator[blocking.Node]:
    with blocking.Node("test", env={}) as node:
        yield node


@pytest.fixture
def client(node: blocking.Node, echo: str) -> Any:
    return node.client(interop.Echo, peers=[echo])


def run_program(
    text: str, address: str, *options: str, timeout: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program as its user would; ADDRESS in its environment says where the server is."""
    return subprocess.run(
        [sys.executable, *options, "-c", text], cwd=ROOT, env=clean_environment(ADDRESS=address, **env),
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
