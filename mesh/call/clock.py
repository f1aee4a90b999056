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


def loop_now() -> float:
    """The running loop's time in seconds, as `LoopClock` reads it; on a thread without one, what loops count from."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return time.monotonic()
    return loop.time() if getattr(loop, "virtual_time", False) else time.monotonic()


class LoopClock:
    """The running loop's time.

    uvloop rounds `loop.time()` to a millisecond and freezes it for a loop turn, too coarse for latencies; both it and
    asyncio count from the system's monotonic clock, so that is what `now` reads. A loop whose time is its own (a
    virtual one in a test) says so with the attribute `virtual_time = True`.
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
