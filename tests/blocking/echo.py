"""The interop service as a process, that can be asked what it saw: `touch("seen")` answers it as JSON."""

import asyncio
import json
from collections import Counter

import mesh
from tests.node.interop import Echo, interop


class Watching(Echo):
    def __init__(self, node):
        super().__init__()
        self.node = node
        self.seen = Counter()

    async def touch(self, text):
        if text != "seen":
            return text
        samples = self.node.metrics.get_sample_value
        return json.dumps(
            {
                **self.seen,
                "standing": samples("rpc_connections", {"direction": "in"}),
                "opened": samples("rpc_connections_opened_total", {"direction": "in"}),
            }
        )

    async def slow(self, ms):
        self.seen["begun"] += 1
        try:
            return await super().slow(ms)
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise


async def main():
    async with mesh.Node("echo", listen="127.0.0.1:0", admin="off", drain_ms=100) as node:
        node.serve(interop.Echo, Watching(node))
        await node.start()
        print(node.address, flush=True)
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
