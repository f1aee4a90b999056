"""Starts a coroutine at once instead of on the loop's next turn.

Most handlers finish without waiting for anything; for them a Task and a loop turn (2-3 us) buy nothing. From Python
3.12 on asyncio has eager tasks of its own. On 3.11 the first step is driven by hand: a stand-in is entered as the
current task meanwhile, since `asyncio.timeout`, `TaskGroup` and `current_task` need one, and only a coroutine that
suspends gets a real Task, around the rest of it and in the same context. What took hold of the stand-in during the
first step (a timeout scope, say) goes on working: it forwards to the Task.

One limit on 3.11: `current_task()` is another object before and after the first suspension, which only code that uses
tasks as dictionary keys can tell.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task  # public by use: third-party event loops need them
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any


def _start_eager_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Python 3.12 and later."""
    task = asyncio.Task(coro, loop=loop, eager_start=True)  # type: ignore[call-arg,unused-ignore]
    return None if task.done() else task


class _StandIn:
    """The current task during a coroutine's first step."""

    __slots__ = ("__weakref__", "_cancels", "_coro", "_loop", "_message", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, None]) -> None:
        self._loop = loop
        self._coro = coro
        self._cancels = 0
        self._message: Any = None
        self.task: asyncio.Task[None] | None = None

    def cancel(self, msg: Any = None) -> bool:
        if self.task is not None:
            return self.task.cancel(msg)
        self._cancels += 1
        self._message = msg
        return True

    def cancelling(self) -> int:
        return self._cancels if self.task is None else self.task.cancelling()

    def uncancel(self) -> int:
        if self.task is not None:
            return self.task.uncancel()
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def adopt(self, task: asyncio.Task[None]) -> None:
        """The coroutine suspended and goes on as `task`; hands over what was asked for so far."""
        self.task = task
        for _ in range(self._cancels):
            task.cancel(self._message)

    # What a Task can be asked besides; code that looks at the current task does ask.
    def done(self) -> bool:
        return self.task is not None and self.task.done()

    def cancelled(self) -> bool:
        return self.task is not None and self.task.cancelled()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def get_coro(self) -> Coroutine[Any, Any, None]:
        return self._coro

    def get_name(self) -> str:
        return "handler" if self.task is None else self.task.get_name()

    def set_name(self, value: object) -> None:
        if self.task is not None:
            self.task.set_name(value)

    def add_done_callback(self, callback: Any, *, context: Context | None = None) -> None:
        if self.task is not None:
            self.task.add_done_callback(callback, context=context)
        else:  # rare, and by then it is known whether there is a Task at all
            self._loop.call_soon(self._add_late, callback, context)

    def _add_late(self, callback: Any, context: Context | None) -> None:
        if self.task is not None:
            self.task.add_done_callback(callback, context=context)
        else:
            callback(self)

    def remove_done_callback(self, callback: Any) -> int:
        return 0 if self.task is None else self.task.remove_done_callback(callback)


class _Rest(Coroutine[Any, Any, None]):
    """The rest of a coroutine whose first step ended by waiting for `waits_for`, as a Task can run it."""

    __slots__ = ("_coro", "_waits_for")

    def __init__(self, coro: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coro = coro
        self._waits_for: Any = waits_for

    def send(self, value: Any) -> Any:
        waits_for, self._waits_for = self._waits_for, None
        return self._coro.send(value) if waits_for is None else waits_for

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        waits_for, self._waits_for = self._waits_for, None
        if isinstance(error, asyncio.CancelledError) and waits_for is not None and waits_for.cancel():
            # Cancelled before the Task's first turn: what the coroutine waits for ends first and wakes it, as ever.
            return waits_for
        return self._coro.throw(error)

    def close(self) -> None:
        self._coro.close()

    @property
    def cr_frame(self) -> Any:
        """Where it stands, for stack dumps."""
        return getattr(self._coro, "cr_frame", None)

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("only a Task drives this")


def _start_by_hand(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Python 3.11."""
    context = copy_context()
    stand_in = _StandIn(loop, coro)
    try:
        _enter_task(loop, stand_in)  # type: ignore[arg-type]
    except RuntimeError:  # called from inside a task: then not at once
        return loop.create_task(coro)
    try:
        waits_for = context.run(coro.send, None)
    except StopIteration:
        return None
    finally:
        _leave_task(loop, stand_in)  # type: ignore[arg-type]
    task = loop.create_task(_Rest(coro, waits_for), context=context)
    stand_in.adopt(task)
    return task


if sys.version_info >= (3, 12):
    start = _start_eager_task
else:
    start = _start_by_hand

start.__doc__ = """Runs `coro` up to its first suspension, now. Returns the Task of the rest, or None when finished.

    The coroutine must not raise (a dispatcher catches everything), save CancelledError once it has a Task. Meant
    for loop callbacks.
    """
