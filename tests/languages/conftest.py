"""The reference city's pricing service for callers in other languages, and their programs to run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "languages"
SAID = "12.5 km: 25.38 CAD\nrefused: give either km or stops\n"  # by every client's program, of the city's pricing


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "PYTHON"))}
    return {**kept, **more}


def run(command: list[str], **env: str) -> str:
    """What a program prints. Fails with what it says on stderr."""
    ran = subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


@contextmanager
def running(command: list[str], **env: str) -> Iterator[str]:
    """A server; gives the first line that it prints."""
    with subprocess.Popen(
        command, env=environment(**env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


PRICING = """
import mesh
from mesh.node import Node
from services.pricing.__main__ import join

async def main():
    async with Node("pricing", listen="127.0.0.1:0", admin="off", settle_ms=0) as node:
        join(node)
        await node.start()
        print(node.address, flush=True)
        await node.run()

mesh.run(main())
"""


@pytest.fixture(scope="module")
def pricing() -> Iterator[str]:
    """The address of the city's pricing service."""
    started = time.monotonic()
    with running([sys.executable, "-c", PRICING], PYTHONPATH=str(ROOT)) as address:
        assert address, f"pricing ended after {time.monotonic() - started:.1f} s"
        yield address
