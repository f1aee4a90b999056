"""Time as a parameter: nothing below `net` asks the system for it.

One rule: `now` is monotonic seconds, and it is the same `now` that `call_at` counts in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """Something that can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic time and a way to be woken by it."""

    def now(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Calls `callback(*args)` on the loop once `now()` has reached `when` (seconds)."""
        ...

    async def sleep(self, seconds: float) -> None: ...


# Loops whose time is their own. Outside of tests there are none, and on 3.11 to ask which loop runs is a system call.
_virtual_loops: list[asyncio.AbstractEventLoop] = []


def keep_own_time(loop: asyncio.AbstractEventLoop) -> None:
    """From here on `loop_now` asks `loop` while it runs, until `forget_own_time`. For loops with `virtual_time`."""
    _virtual_loops.append(loop)


def forget_own_time(loop: asyncio.AbstractEventLoop) -> None:
    """The loop is closed."""
    if loop in _virtual_loops:
        _virtual_loops.remove(loop)


def loop_now() -> float:
    """The running loop's time in seconds, as `LoopClock` reads it; on a thread without one, what loops count from."""
    if not _virtual_loops:
        return time.monotonic()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return time.monotonic()
    return loop.time() if loop in _virtual_loops else time.monotonic()


class LoopClock:
    """The running loop's time.

    uvloop rounds `loop.time()` to a millisecond and freezes it for a loop turn, too coarse for latencies; both it and
    asyncio count from the system's monotonic clock, so that is what `now` reads. A loop whose time is its own (a
    virtual one in a test) says so with the attribute `virtual_time = True` and with `keep_own_time`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self.now: Callable[[], float] = (
            self._loop.time if getattr(self._loop, "virtual_time", False) else time.monotonic
        )

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.call_later(max(0.0, when - self.now()), callback, *args)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
