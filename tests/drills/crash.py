"""Instances killed with SIGKILL under traffic: only calls that were in flight in that moment may fail."""

from __future__ import annotations

import asyncio
import sys
import time

from mesh.cluster import State
from mesh.cluster.plan import CONSUL_ID
from tests.drills.stage import arguments, note, stage, verdict
from tests.drills.traffic import Sent

# From the signal to the moment when no caller's kernel lets a write to the dead through any more. A call whose request
# was written within it was in flight there as well.
MOMENT_S = 0.05


def excused(call: Sent, kills: dict[float, str]) -> bool:
    """Whether the failed call was under way when an instance was killed, and there if it says where it was."""
    return any(
        call.begun <= at + MOMENT_S and call.ended >= at and call.peer in ("", address) for at, address in kills.items()
    )


async def drill(rate_per_s: float, rounds: int) -> int:
    kills: dict[float, str] = {}  # when -> the RPC address of the killed
    async with stage("crash", rate_per_s) as on:
        await asyncio.sleep(2)
        victims = [one.id for one in on.cluster.instances if one.id != CONSUL_ID]
        for _ in range(rounds):
            for id in victims:
                kills[time.monotonic()] = on.cluster.instance(id).listen
                await on.cluster.kill(id)
                await on.cluster.until(lambda id=id: on.cluster.instance(id).state is State.READY, 60)
                await asyncio.sleep(1)
        note(f"{len(kills)} instances were killed")
    failed = on.book.failed
    innocent = [call for call in failed if not excused(call, kills)]
    broken = []
    if innocent:
        broken.append(f"{len(innocent)} calls failed that were not in flight when an instance was killed")
        print("\n".join(f"  {call.kind} {call.code} {call.detail[:200]}" for call in innocent[:5]))
    # At 200 calls/s of a few milliseconds each, about one is in flight anywhere at a time.
    most = max(3, int(rate_per_s * MOMENT_S)) * len(kills)
    if len(failed) > most:
        broken.append(f"{len(failed)} failed, more than the {most} that can have been in flight")
    return verdict(on, broken)


if __name__ == "__main__":
    given = arguments(__doc__, rounds=1)
    sys.exit(asyncio.run(drill(given.rate, given.rounds)))
