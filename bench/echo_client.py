"""Drives echo_server with our own client: one connection, 64 calls in flight, each call with a deadline."""

from __future__ import annotations

import argparse
import asyncio
import json

import uvloop

import mesh
from bench import frames
from bench.workers import drive
from idl import interop
from mesh import Node

_DEADLINE_MS = 1000


async def main(port: int, pid: int, in_flight: int, warm_s: float, seconds: float) -> None:
    sample = interop.Sample(text=frames.TEXT, number=frames.NUMBER, items=frames.ITEMS)
    async with Node("bench", listen="127.0.0.1:0") as node:
        client = node.client(interop.Echo, service="interop", peers=[f"127.0.0.1:{port}"])

        async def call() -> None:
            with mesh.deadline(ms=_DEADLINE_MS):
                answer = await client.echo(sample)
            assert answer.number == frames.NUMBER

        window = await drive([call] * in_flight, pid, warm_s=warm_s, seconds=seconds)
    print(json.dumps(window.as_json()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--warm", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments.port, arguments.pid, arguments.in_flight, arguments.warm, arguments.seconds))
