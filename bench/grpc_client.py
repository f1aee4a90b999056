"""Drives grpc_server: 64 connections with one call in flight, each call with a deadline."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

import grpc

from bench import build, frames
from bench.workers import drive

sys.path.insert(0, str(build.OUT))

import echo_pb2
import echo_pb2_grpc

_DEADLINE_S = 1.0


async def main(port: int, pid: int, connections: int, warm_s: float, seconds: float) -> None:
    # Without this option all channels of a process share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(connections)]
    sample = echo_pb2.Sample(text=frames.TEXT, number=frames.NUMBER, items=frames.ITEMS)

    def caller(channel: grpc.aio.Channel):  # type: ignore[no-untyped-def]
        echo = echo_pb2_grpc.EchoStub(channel).Echo

        async def call() -> None:
            answer = await echo(sample, timeout=_DEADLINE_S)
            assert answer.number == frames.NUMBER

        return call

    window = await drive([caller(channel) for channel in channels], pid, warm_s=warm_s, seconds=seconds)
    print(json.dumps(window.as_json()))
    for channel in channels:
        await channel.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm", type=float, default=0.7)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.port, arguments.pid, arguments.connections, arguments.warm, arguments.seconds))
