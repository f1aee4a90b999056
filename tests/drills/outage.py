"""Consul killed under traffic and started again later: nothing may fail, and a new instance gets traffic then."""

from __future__ import annotations

import asyncio
import sys
import urllib.request

from mesh.cluster.metrics import read
from mesh.cluster.plan import CONSUL_ID
from mesh.discovery import RegistryError, open_registry
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


async def entries(on: Stage) -> dict[str, int]:
    """How many instances of each service the registry knows; none while it is away."""
    async with open_registry(on.cluster.registry) as registry:
        try:
            return {name: len(instances) for name, instances in (await registry.services()).items()}
        except RegistryError:
            return {}


async def all_again(on: Stage, before: dict[str, int]) -> float | None:
    """Seconds until everybody had entered itself again; None: not in time."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < TRAFFIC_WITHIN_S:
        now = await entries(on)
        if all(now.get(name, 0) >= count for name, count in before.items()):
            return loop.time() - begun
        await asyncio.sleep(0.1)
    return None


async def drill(rate_per_s: float, outage_s: float) -> int:
    broken = []
    async with stage("outage", rate_per_s) as on:
        await asyncio.sleep(2)
        before = await entries(on)
        await on.cluster.kill(CONSUL_ID, hold=True)
        note(f"Consul is dead, for {outage_s:g} s")
        await asyncio.sleep(outage_s)
        await on.cluster.start_instance(CONSUL_ID)
        note("Consul is back, and remembers nothing")
        # A process that starts before this believes the empty registry, and rightly: it has no list of its own.
        again = await all_again(on, before)
        note("not everybody is back" if again is None else f"everybody has registered again after {again:.1f} s")
        if again is None:
            broken.append(f"not everybody had registered again within {TRAFFIC_WITHIN_S:g} s")
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
