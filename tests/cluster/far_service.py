"""`python far_service.py left|right`: two services on two hosts. `left` asks `right` for every answer.

`python far_service.py call` calls `left` twenty times a second until SIGTERM, then prints what came of it as JSON.
"""

import asyncio
import json
import os
import signal
import sys
import time

import mesh
from mesh.errors import MeshError
from mesh.node import Node
from tests.node.interop import Echo, interop

EVERY_S = 0.05
TIMEOUT_MS = 1000


class Left(Echo):
    def __init__(self, right):
        super().__init__()
        self.right = right

    async def touch(self, text):
        return "left " + await self.right.touch(text)


class Right(Echo):
    async def touch(self, text):
        return f"right {text}"


async def serve(name):
    async with Node(name) as node:
        handler = Right() if name == "right" else Left(node.client(interop.Echo, service="right"))
        node.serve(interop.Echo, handler, name=name)
        await node.run()


async def call():
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    failures, count, slowest_s = [], 0, 0.0
    async with Node("caller", admin="off") as node:
        left = node.client(interop.Echo, service="left")
        print("calling", flush=True)
        while not done.is_set():
            begun = time.monotonic()
            count += 1
            try:
                with mesh.deadline(ms=TIMEOUT_MS):
                    answer = await left.touch("x")
                assert answer == "left right x", answer
            except MeshError as error:
                failures.append(f"call {count}: {error}")
            slowest_s = max(slowest_s, time.monotonic() - begun)
            await asyncio.sleep(EVERY_S)
    print(json.dumps({"count": count, "failures": failures, "slowest_s": slowest_s, "pid": os.getpid()}), flush=True)


if __name__ == "__main__":
    mesh.run(call() if sys.argv[1] == "call" else serve(sys.argv[1]))
