"""The same echo in grpc.aio with protobuf messages, as its own tutorial writes it: what to compare with."""

from __future__ import annotations

import asyncio
import json
import sys

import grpc

from bench import build

sys.path.insert(0, str(build.OUT))

import echo_pb2_grpc


class Echo(echo_pb2_grpc.EchoServicer):  # type: ignore[misc]
    async def Echo(self, request: object, context: object) -> object:
        return request


async def main() -> None:
    server = grpc.aio.server()
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"port": port}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
