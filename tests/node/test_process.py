"""A node as a process of its own: how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, threading, time
import mesh
from tests.node.interop import Echo, interop

class Stuck(Echo):
    def block(self, ms):
        print("stuck", flush=True)
        time.sleep(600)

async def main():
    async with mesh.Node("echo", drain_ms=100) as node:
        node.serve(interop.Echo, Stuck())

        async def call_it():
            client = node.client(interop.Echo, peers=[node.address])
            await client.block(1)

        running = asyncio.create_task(node.run())
        while node.health().ready is False:
            await asyncio.sleep(0.01)
        calling = asyncio.create_task(call_it())
        await running

mesh.run(main())
"""


@pytest.mark.integration
def test_a_plain_handler_that_never_returns_does_not_keep_the_process_alive():
    env = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            process.wait(60)
            assert time.monotonic() - started < 60  # the handler sleeps for ten minutes
        finally:
            process.kill()
