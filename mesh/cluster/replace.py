"""Replaces one running instance by a new process, without a moment in which neither serves.

    done = await cluster.replace_instance("pricing-1")           # code, .env and environment as they are now
    done = await cluster.replace_instance("pricing-1", config=new)  # and another plan (a ClusterConfig)
    done.pid, done.old_pid, done.seconds

The new process starts beside the old one, on ports of its own and under a name of its own (`pricing-1.2`), in the same
data folder, with the same shared sockets and the same log file. Once it is ready, and callers can find it, it takes the
place, and the old one is drained and stopped; `replace_instance` returns after that end. Should it crash, never get
ready within the limit, or never get into the registry, it is removed and ReplaceError raised: `reason` in one line,
`tail` the last lines that it printed, `log` the file that has all of them. The old process has then noticed nothing.
The same when the caller is cancelled before the new one has the place; afterwards the old one is drained all the same.

One rule: the old process hears of nothing before the new one is ready.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from mesh.cluster.changes import Changes
from mesh.cluster.instance import Instance, Spec, State
from mesh.cluster.roster import Roster
from mesh.cluster.rundir import ClusterError

FINDABLE_POLL_S = 0.05  # a registration takes one round trip on loopback; nothing tells of it


@dataclass(frozen=True, slots=True)
class Replaced:
    """What happened: the place, both processes (0: none ran), and how long it took until the new one was ready."""

    id: str
    old_pid: int
    pid: int
    seconds: float


class ReplaceError(ClusterError):
    """The new process did not become healthy and is gone; the old one goes on."""

    def __init__(self, id: str, reason: str, tail: tuple[str, ...], log: Path) -> None:
        super().__init__("\n".join([f"{id} was not replaced: {reason}", *(f"  | {line}" for line in tail)]))
        self.id = id
        self.reason = reason
        self.tail = tail
        self.log = log


Findable = Callable[[Instance], Awaitable[str]]  # "" once callers can find it, else why not


async def replace(
    roster: Roster, changes: Changes, spec: Spec, *, limit_s: float, findable: Findable, log: Path
) -> Replaced:
    """Runs `spec` in the place of the instance with its id. Raises ReplaceError."""
    try:
        new = roster.add_beside(spec)
    except ClusterError as error:
        raise ReplaceError(spec.id, str(error), (), log) from None
    begun = time.monotonic()
    try:
        reason = await _tried(new, changes, limit_s, findable)
        if reason:
            raise ReplaceError(spec.id, reason, tuple(new.tail()), log)
    except BaseException:
        await roster.remove(new)
        raise
    seconds = time.monotonic() - begun
    old = roster.promote(new)
    changes.touch()
    old_pid = old.pid
    await roster.remove(old)
    return Replaced(spec.id, old_pid, new.pid, seconds)


async def _tried(new: Instance, changes: Changes, limit_s: float, findable: Findable) -> str:
    """Starts it. Returns an empty text once it is ready and can be found, else why it is no good."""
    new.start()
    why_not = ""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                await changes.until(lambda: new.state in (State.READY, State.FAILED, State.STOPPED), None)
                if new.state is State.FAILED:
                    return f"the new process ended before it was ready: {new.detail}"
                if new.state is State.STOPPED:
                    return "the cluster stops"
                why_not = await findable(new)
                if not why_not and new.state is State.READY:
                    return ""
                await asyncio.sleep(FINDABLE_POLL_S)
    except TimeoutError:
        return f"the new process was not ready after {limit_s:g} s: {why_not or new.detail or 'no answer yet'}"
