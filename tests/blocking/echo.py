"""The interop service as a process, that can be asked what it saw: `touch("seen")` answers it as JSON.

Who asks has said "forget" before, and keeps a connection that does not count.
"""

import asyncio
import json
import time
from collections import Counter

import mesh
from mesh.contract import service_of
from tests.node.interop import Echo, interop

OWN_TIMEOUT_S = service_of(interop.Echo).methods["slow"].policy.timeout_ms / 1000


class Watching(Echo):
    def __init__(self, node):
        super().__init__()
        self.node = node
        self.seen = Counter()
        self.opened_before = 0

    def _connections(self, name):
        return self.node.metrics.get_sample_value(f"rpc_connections{name}", {"direction": "in"})

    async def touch(self, text):
        if text == "forget":  # all that was seen, and that there is a connection on which this came
            self.seen.clear()
            self.opened_before = self._connections("_opened_total")
        elif text == "seen":
            opened = self._connections("_opened_total") - self.opened_before
            return json.dumps({**self.seen, "standing": self._connections("") - 1, "opened": opened})
        return text

    async def slow(self, ms):
        self.seen["begun"] += 1
        started = time.monotonic()
        try:
            return await super().slow(ms)
        except asyncio.CancelledError:
            in_time = time.monotonic() - started < OWN_TIMEOUT_S * 0.8
            self.seen["cancelled" if in_time else "timed out"] += 1
            raise


async def main():
    async with mesh.Node("echo", listen="127.0.0.1:0", admin="off", drain_ms=100) as node:
        node.serve(interop.Echo, Watching(node))
        await node.start()
        print(node.address, flush=True)
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
