"""One timer for all deadlines of a loop: a wheel of coarse ticks.

A loop timer per call costs microseconds to arm and cancel, and nearly all are cancelled. Here arming is one append,
cancelling is one flag, and the loop is woken once per tick that holds anything. The price is precision: a timer fires
up to one tick late, never early.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.call.clock import Clock

TICK_S = 0.005  # deadlines are told in whole milliseconds and missed by a network's jitter; 5 ms is below both


class Entry:
    """One armed timer; `cancel()` any number of times."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class TimerWheel:
    """Timers of one clock. Entries beyond their tick's firing are forgotten; cancelled ones stay until their tick."""

    def __init__(self, clock: Clock, tick_s: float = TICK_S) -> None:
        self._clock = clock
        self._per_second = 1.0 / tick_s
        self._tick_s = tick_s
        self._slots: dict[int, list[Entry]] = {}
        self._armed: int | None = None  # the tick that the clock will wake us for
        self._timer: object = None

    def at(self, when: float, callback: Callable[[], object]) -> Entry:
        """Calls `callback()` within one tick after `when` (seconds of the clock)."""
        entry = Entry(callback)
        tick = int(when * self._per_second) + 1
        slot = self._slots.get(tick)
        if slot is not None:
            slot.append(entry)
            return entry
        self._slots[tick] = [entry]
        if self._armed is None or tick < self._armed:
            self._arm(tick)
        return entry

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()  # type: ignore[attr-defined]
        self._armed = tick
        self._timer = self._clock.call_at(tick * self._tick_s, self._fire)

    def _fire(self) -> None:
        # A loop may wake a shade early by its own rounding; half a tick of tolerance avoids a second wake-up.
        now_tick = int((self._clock.now() + self._tick_s / 2) * self._per_second)
        self._timer = self._armed = None
        due = sorted(tick for tick in self._slots if tick <= now_tick)
        entries = [entry for tick in due for entry in self._slots.pop(tick)]
        if self._slots:
            self._arm(min(self._slots))
        for entry in entries:
            entry.fire()

    def __len__(self) -> int:
        """Entries held, cancelled ones included (for the leak check)."""
        return sum(len(slot) for slot in self._slots.values())

    def close(self) -> None:
        """Forgets everything; nothing fires any more."""
        if self._timer is not None:
            self._timer.cancel()  # type: ignore[attr-defined]
        self._timer = self._armed = None
        self._slots.clear()
