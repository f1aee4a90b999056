"""Rolling restarts under traffic: every service, one instance after the other, with SIGTERM. Nothing may fail."""

from __future__ import annotations

import asyncio
import sys

from mesh.cluster import Cluster
from mesh.cluster.plan import CONSUL_ID
from tests.drills.stage import arguments, note, stage, verdict

# Services restarted at the same time. Starting Python takes a second of a processor: with all seven at once a machine
# of two is an overloaded one, and the drill shows that and nothing else.
AT_ONCE = 1


async def restart_each(cluster: Cluster, service: str, places: asyncio.Semaphore) -> None:
    """The next one goes only when this one is ready again: the rule of every rolling restart."""
    for one in [one for one in cluster.instances if one.service == service]:
        async with places:
            await cluster.restart_instance(one.id)


async def drill(rate_per_s: float, rounds: int, at_once: int = AT_ONCE) -> int:
    places = asyncio.Semaphore(at_once)
    async with stage("rolling", rate_per_s) as on:
        await asyncio.sleep(2)
        services = [service for service in on.cluster.config.services if service != CONSUL_ID]
        for number in range(1, rounds + 1):
            await asyncio.gather(*(restart_each(on.cluster, service, places) for service in services))
            note(
                f"round {number} of {rounds}: sent {len(on.book.calls)}, not ok {len(on.book.failed)} (with in flight)"
            )
        await asyncio.sleep(2)
    broken = [f"{len(on.book.failed)} calls failed during rolling restarts"] if on.book.failed else []
    restarted = min(one.restarts for one in on.cluster.instances if one.id != CONSUL_ID)
    if restarted < rounds:
        broken.append(f"an instance was restarted {restarted} times and not {rounds}")
    return verdict(on, broken)


if __name__ == "__main__":
    given = arguments(__doc__, rounds=20, at_once=AT_ONCE)
    sys.exit(asyncio.run(drill(given.rate, given.rounds, given.at_once)))
