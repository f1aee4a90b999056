"""The server being measured: a node as any service has it, with every filter, metrics and deadlines on."""

from __future__ import annotations

import asyncio
import json

import uvloop

from idl import interop
from mesh import Node


class Echo:
    """Only the benchmark's method; the contract's others are not called here."""

    async def echo(self, sample: interop.Sample) -> interop.Sample:
        return sample


async def main() -> None:
    async with Node("interop", listen="127.0.0.1:0") as node:
        node.serve(interop.Echo, Echo())
        print(json.dumps({"port": int(node.address.rpartition(":")[2])}), flush=True)
        await node.run()


if __name__ == "__main__":
    # asyncio's own loop would do as well; uvloop is what the extra `fast` brings, and what a production node runs on.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
