"""Closed loops in asyncio: so many calls in flight, each answer followed by the next call, for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.process import cpu_spent_ns


@dataclass
class Window:
    """What happened between warm-up and end; CPU per call in microseconds of both ends."""

    calls: int
    seconds: float
    server_us: float
    client_us: float

    def as_json(self) -> dict[str, float]:
        return {
            "calls": self.calls,
            "calls_per_s": round(self.calls / self.seconds),
            "server_us": round(self.server_us, 3),
            "client_us": round(self.client_us, 3),
        }


async def drive(
    callers: Sequence[Callable[[], Awaitable[None]]], server_pid: int, *, warm_s: float, seconds: float
) -> Window:
    """Runs every caller in its own loop. A call that fails ends the run with its error."""
    answered = 0

    async def loop(caller: Callable[[], Awaitable[None]]) -> None:
        nonlocal answered
        while True:
            await caller()
            answered += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop(caller)) for caller in callers]
        await asyncio.sleep(warm_s)
        calls, started = answered, time.monotonic()
        server, client = cpu_spent_ns(server_pid), time.process_time_ns()
        await asyncio.sleep(seconds)
        calls, elapsed = max(1, answered - calls), time.monotonic() - started
        server, client = cpu_spent_ns(server_pid) - server, time.process_time_ns() - client
        for task in tasks:
            task.cancel()
    return Window(calls, elapsed, server / calls / 1000, client / calls / 1000)
