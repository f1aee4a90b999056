"""One timer for all deadlines of a loop: a wheel of coarse ticks.

A loop timer per call costs microseconds to arm and cancel, and nearly all are cancelled. Here arming is one insertion,
cancelling one removal, and the loop is woken once per tick that holds anything. The price is precision: a timer fires
up to one tick (and the loop's rounding) late, never early.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mesh.call.clock import Clock, Timer

log = logging.getLogger("mesh.call")

TICK_S = 0.005  # deadlines are told in whole milliseconds and missed by a network's jitter; 5 ms is below both

LOOP_ROUNDING_S = 0.0005  # uvloop rounds a delay to the millisecond; this much later is never before the tick


class Entry:
    """Something to be woken once; a subclass says by `fire` what happens then. `cancel()` any number of times."""

    __slots__ = ("_slot",)
    _slot: dict[Entry, None]

    def cancel(self) -> None:
        self._slot.pop(self, None)

    def fire(self) -> object:
        raise NotImplementedError  # abc would cost every call its metaclass


class _Callback(Entry):
    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback

    def fire(self) -> object:
        return self._callback()


class Expiry(Entry):
    """Cancels the task when it fires, and remembers that it did."""

    __slots__ = ("expired", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.expired = False

    def fire(self) -> None:
        self.expired = True
        self.task.cancel()


class TimerWheel:
    """Timers of one clock. A cancelled entry is let go at once, so that long deadlines hold no finished calls."""

    def __init__(self, clock: Clock, tick_s: float = TICK_S) -> None:
        self._clock = clock
        self._per_second = 1.0 / tick_s
        self._tick_s = tick_s
        self._slots: dict[int, dict[Entry, None]] = {}
        self._armed: int | None = None  # the tick that the clock will wake us for
        self._timer: Timer | None = None

    def at(self, when: float, callback: Callable[[], object]) -> Entry:
        """Calls `callback()` within a tick after `when` (seconds of the clock)."""
        entry = _Callback(callback)
        self.add(when, entry)
        return entry

    def add(self, when: float, entry: Entry) -> None:
        """Calls `entry.fire()` within a tick after `when`."""
        tick = int(when * self._per_second) + 1
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = {}
            if self._armed is None or tick < self._armed:
                self._arm(tick)
        entry._slot = slot
        slot[entry] = None

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = tick
        self._timer = self._clock.call_at(tick * self._tick_s + LOOP_ROUNDING_S, self._fire)

    def _fire(self) -> None:
        now_tick = int(self._clock.now() * self._per_second + 1e-6)
        self._timer = self._armed = None
        due = sorted(tick for tick in self._slots if tick <= now_tick)
        entries = [entry for tick in due for entry in self._slots.pop(tick)]
        if self._slots:
            self._arm(min(self._slots))
        for entry in entries:
            try:
                entry.fire()
            except Exception:  # one that fails must not keep the others of its tick from firing
                log.exception("a timer failed: %r", entry)

    def __len__(self) -> int:
        """Timers that are armed."""
        return sum(len(slot) for slot in self._slots.values())

    def close(self) -> None:
        """Forgets everything; nothing fires any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed = None
        self._slots.clear()
