"""A process is killed while it commits: what it had said was committed is there, and nothing is there by half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.store import Store

WRITER = """
import asyncio, sys
from pathlib import Path
from mesh.store import Store

async def main():
    async with Store.open(sys.argv[1], owner="items", migrations=Path(sys.argv[2])) as store:
        first = int(sys.argv[3])
        for number in range(first, first + 1_000_000):
            async with store.tx() as tx:
                await tx.execute("INSERT INTO items VALUES (?, ?)", (f"left {number}", number))
                await tx.execute("INSERT INTO items VALUES (?, ?)", (f"right {number}", number))
            print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.integration
@pytest.mark.parametrize("after", [1, 7, 40])
async def test_kill_9_loses_nothing_that_was_committed(path: Path, migrations: Path, after: int) -> None:
    said: list[int] = []
    for first in (0, 1_000_000):  # twice: the second one starts on what a crash has left
        arguments = [sys.executable, "-c", WRITER, str(path), str(migrations), str(first)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                said.append(int(line))
                if len(said) % after == 0:
                    break
            writer.send_signal(signal.SIGKILL)
            said += [int(line) for line in writer.stdout if line.endswith("\n")]
            assert writer.wait(10) == -signal.SIGKILL

    async with Store.open(path, owner="items", migrations=migrations) as store, store.read() as reader:
        rows = await reader.fetch_all("SELECT number, count(*) AS halves FROM items GROUP BY number")
    assert {row["halves"] for row in rows} == {2}
    assert said
    assert set(said) <= {row["number"] for row in rows}
