"""An event loop in which waiting takes no time: whenever everybody waits, the clock jumps to the next timer.

A test of an hour's back-off runs in milliseconds and always the same way. Real files, sockets and threads do not know
this time; use the in-memory network beside it.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from mesh.call.clock import forget_own_time, keep_own_time

T = TypeVar("T")

STUCK_S = 5.0  # real seconds without a timer or an event until the loop says that nobody will ever wake


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for real events without waiting; when there are none, time jumps instead."""

    def __init__(self) -> None:
        super().__init__()
        self.jump: Callable[[float], None] = lambda seconds: None

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self.jump(timeout)
            return []
        ready = super().select(STUCK_S)  # a thread may still call back
        if not ready:
            raise RuntimeError("virtual time stands still: every task waits for something that nobody will do")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with `time()` of its own, starting at 1000 s."""

    virtual_time = True

    def __init__(self) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        self._virtual_now = 1000.0
        self._clock_resolution = 1e-9  # asyncio fires what lies within it; the default would fire early
        selector.jump = self._jump
        keep_own_time(self)

    def close(self) -> None:
        forget_own_time(self)
        super().close()

    def _jump(self, seconds: float) -> None:
        self._virtual_now += max(seconds, 1e-9)

    def time(self) -> float:
        return self._virtual_now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[..., Awaitable[T]]) -> Callable[..., T]:
    """Decorator: an `async def` test becomes a plain one that runs in virtual time. Fixtures work as ever."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> T:
        async def main() -> T:
            return await test(*args, **named)

        return run_virtual(main())

    return run
