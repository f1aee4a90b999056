"""Finds handlers that block the event loop, and says where they stood.

One rule: it watches from a thread of its own, because the loop that is blocked cannot tell; and it costs the loop one
small callback per beat.

The loop beats; the thread looks at the beat. When the beat is overdue, the thread takes the loop thread's stack, and
when the beat comes back it logs the stack with the time that the loop stood still.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from prometheus_client import CollectorRegistry, Counter, Histogram

log = logging.getLogger(__name__)

MAX_FRAMES = 40  # the innermost; what lies outside of them is the loop and the program's start
STUCK_S = 5.0  # a loop that stands this long may never come back: say so while it stands
LOG_INTERVAL_S = 1.0  # a handler that blocks on every call would else write the log full
# Little CPU says that it waited for something that should have been awaited, or that the machine is short of CPU.
BLOCKED = (
    "a handler blocked the event loop for %.0f ms, %.0f ms of them on the CPU; "
    "use await, or a plain def handler, for blocking work"
)
# Bounds around what matters: a millisecond is normal, 100 ms a fault, 5 s an outage.
_BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """The section `watchdog`. `threshold_ms` 0 switches it off."""

    # A tenth of the default timeout of a method: every other call on the process waited as long.
    threshold_ms: int = field(default=100, metadata={"at_least": 0, "at_most": 60_000})

    def __post_init__(self) -> None:
        if 0 < self.threshold_ms < 20:
            raise ValueError("threshold_ms: below 20 ms the machine's own scheduling looks like a fault; 0 is off")


class Watchdog:
    """`async with` on the loop that is watched. `clock` gives monotonic seconds."""

    def __init__(
        self,
        settings: WatchdogSettings | None = None,
        *,
        metrics: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = settings or WatchdogSettings()
        self._threshold = settings.threshold_ms / 1000
        self._interval = max(0.01, self._threshold / 4)  # four beats to a threshold: late by a quarter at most
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._beat = 0.0
        self._cpu = 0.0  # what the loop's thread had used of the CPU by then, in seconds
        self._suppressed = 0
        self._logged_at = float("-inf")
        self.blocked = 0
        self._lag = Histogram(
            "mesh_loop_lag_seconds", "How late the event loop came to its timers", buckets=_BUCKETS, registry=metrics
        )
        self._blocked = Counter("mesh_loop_blocked", "Times that a handler blocked the event loop", registry=metrics)

    async def __aenter__(self) -> Watchdog:
        if self._threshold <= 0:
            return self
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat, self._cpu = self._clock(), time.thread_time()
        self._timer = self._loop.call_later(self._interval, self._on_beat)
        self._thread = threading.Thread(target=self._watch, name="mesh-watchdog", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _on_beat(self) -> None:
        now = self._clock()
        self._lag.observe(max(0.0, now - self._beat - self._interval))
        self._cpu = time.thread_time()
        self._beat = now
        assert self._loop is not None
        self._timer = self._loop.call_later(self._interval, self._on_beat)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            beat, cpu = self._beat, self._cpu
            if self._clock() - beat - self._interval < self._threshold:
                continue
            frame = sys._current_frames().get(self._loop_thread)
            if frame is None or _waits(frame):
                continue  # not blocked but short of CPU: the loop was in its selector and is late all the same
            stack = "".join(traceback.format_list(traceback.extract_stack(frame)[-MAX_FRAMES:]))
            context = self._context_of_task()
            del frame
            self._outlast(beat, cpu, stack, context)

    def _outlast(self, beat: float, cpu: float, stack: str, context: contextvars.Context | None) -> None:
        """Waits until the loop beats again and logs what held it; once before that when it seems to be stuck."""
        self.blocked += 1
        self._blocked.inc()
        told = False
        while self._beat == beat and not self._stop.wait(self._interval):
            stood = self._clock() - beat - self._interval
            if stood > STUCK_S and not told:
                told = True
                self._tell(context, "the event loop has stood still for %.0f ms and still does", (stood * 1000,), stack)
        if self._beat != beat:
            stood = self._beat - beat - self._interval
            used = self._cpu - cpu
            self._tell(context, BLOCKED, (stood * 1000, used * 1000), stack, again=told)

    def _tell(
        self,
        context: contextvars.Context | None,
        text: str,
        times_ms: tuple[float, ...],
        stack: str,
        *,
        again: bool = False,
    ) -> None:
        now = self._clock()
        if now - self._logged_at < LOG_INTERVAL_S and not again:
            self._suppressed += 1
            return
        self._logged_at = now
        extra: dict[str, object] = {"blocked_ms": round(times_ms[0])}
        if self._suppressed:
            extra["not_logged"] = self._suppressed
            self._suppressed = 0

        def write() -> None:
            if log.isEnabledFor(logging.WARNING):
                where, line = __file__, write.__code__.co_firstlineno
                record = log.makeRecord(
                    log.name, logging.WARNING, where, line, text, times_ms, None, extra=extra, sinfo=stack.rstrip()
                )
                log.handle(record)

        if context is None:
            write()
        else:
            context.run(write)  # the blocked call's own trace id and method stand in the line

    def _context_of_task(self) -> contextvars.Context | None:
        """A copy of the context that the loop's current task runs in, where Python tells it (3.12 and later)."""
        try:
            task = asyncio.current_task(self._loop)
            get_context = getattr(task, "get_context", None)
            found: contextvars.Context | None = get_context().copy() if get_context is not None else None
        except (RuntimeError, ValueError):
            return None
        return found


def _waits(frame: FrameType) -> bool:
    """Whether the loop's thread sits in its selector: then no handler holds it. uvloop waits without a frame."""
    return frame.f_code.co_filename.endswith(("/selectors.py", "/asyncio/runners.py"))
