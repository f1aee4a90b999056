"""Consul killed under traffic and started again later: nothing may fail, and a new instance gets traffic then."""

from __future__ import annotations

import asyncio
import sys
import urllib.request

from mesh.cluster.metrics import read
from mesh.cluster.plan import CONSUL_ID
from tests.drills.stage import Stage, arguments, note, stage, verdict

# Consul is back, the services have entered themselves again, and the new one's first health check has passed.
TRAFFIC_WITHIN_S = 20.0


async def calls_of(on: Stage, id: str) -> float:
    """How many calls an instance has answered."""
    url = f"http://{on.cluster.instance(id).admin}/metrics"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())
    return read(text, 0.0).calls


async def traffic_within(on: Stage, id: str) -> float | None:
    """Seconds until the instance had answered ten calls; None: not in time."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < TRAFFIC_WITHIN_S:
        if await calls_of(on, id) >= 10:
            return loop.time() - begun
        await asyncio.sleep(0.1)
    return None


async def drill(rate_per_s: float, outage_s: float) -> int:
    broken = []
    async with stage("outage", rate_per_s) as on:
        await asyncio.sleep(2)
        await on.cluster.kill(CONSUL_ID, hold=True)
        note(f"Consul is dead, for {outage_s:g} s")
        await asyncio.sleep(outage_s)
        await on.cluster.start_instance(CONSUL_ID)
        note("Consul is back, and remembers nothing")
        for service in ("echo", "pricing"):
            id = await on.cluster.add_instance(service)
            seconds = await traffic_within(on, id)
            note(f"{id} is new and " + ("gets no traffic" if seconds is None else f"had traffic after {seconds:.1f} s"))
            if seconds is None:
                broken.append(f"{id}, started after the outage, got no traffic within {TRAFFIC_WITHIN_S:g} s")
        await asyncio.sleep(5)  # longer than the time in which a watcher believes an answer that is too small
    if on.book.failed:
        broken.append(f"{len(on.book.failed)} calls failed while Consul was away or just back")
    return verdict(on, broken)


if __name__ == "__main__":
    given = arguments(__doc__, seconds=30.0)
    sys.exit(asyncio.run(drill(given.rate, given.seconds)))
