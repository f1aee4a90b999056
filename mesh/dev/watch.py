"""Looks at the files again and again, and gives each burst of changes once it is over.

One rule: the looks run in a thread, so that a slow disk holds up no reload and no display.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from mesh.dev.settle import Burst
from mesh.dev.tree import Files, TooManyFiles, changed, pause_s


@dataclass(frozen=True, slots=True)
class Edit:
    """What changed, what there is now, and when the first change was seen (seconds of the watch's clock)."""

    paths: frozenset[Path]
    files: Files
    seen: float


async def edits(
    look: Callable[[], Files],
    before: Files,
    *,
    complain: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    burst: Burst | None = None,
) -> AsyncIterator[Edit]:
    """Each burst of changes since `before`, without end. `complain` is told when there is suddenly too much to watch;
    the files of before then count until that is over."""
    burst = burst or Burst()
    settled = last = before
    complaint = ""
    pause = pause_s(0.0)
    while True:
        due = burst.due_in(clock())
        await sleep(pause if due is None else min(due, pause))
        begun = clock()
        try:
            now = await asyncio.to_thread(look)
        except TooManyFiles as error:
            if str(error) != complaint:
                complaint = str(error)
                complain(complaint)
            continue
        complaint = ""
        pause = pause_s(clock() - begun)
        burst.add(changed(last, now), clock())
        last = now
        if burst.due_in(clock()) != 0.0:
            continue
        seen = burst.first
        paths = burst.take() & changed(settled, last)  # what came and went within the burst never was
        settled = last
        if paths:
            yield Edit(paths, last, seen)
