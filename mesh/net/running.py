"""One call under way here, for a peer: its task, and what ends it from outside.

One rule: it is ended once, and who asked first is told of.
"""

from __future__ import annotations

import asyncio

from mesh.call import Entry, TimerWheel


class Running(Entry):
    """One call of the peer's under way here. `asked` says that it was cancelled from outside, by whom; `expired` that
    its deadline passed first."""

    __slots__ = ("_wheel", "asked", "expired", "task", "waits")

    def __init__(self, wheel: TimerWheel) -> None:
        self._wheel = wheel
        self.task: asyncio.Task[None] | None = None  # None: still in its first step, or done in it
        self.asked: str | None = None
        self.expired = False
        self.waits = False

    def watch(self, deadline: float) -> None:
        """Ends it at `deadline` (seconds of the clock), if it is not over by then."""
        if self.waits:
            self.cancel()
        self.waits = True
        self._wheel.add(deadline, self)

    def stop(self, why: str) -> None:
        """Cancels it. Whoever asked first is told of."""
        if self.asked is None and not self.expired:
            self.asked = why
        if self.task is not None:
            self.task.cancel(why)

    def fire(self) -> None:
        """The deadline passed. Once only: a handler that takes its time to end is left to do so."""
        if self.task is not None and self.asked is None:
            self.expired = True
            self.task.cancel("its deadline passed")
