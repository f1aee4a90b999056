"""Plain `def` handlers in a bounded thread pool, with the context and the deadline of their call.

A thread cannot be stopped: when the deadline passes, the caller is answered and the thread goes on. What keeps that
from eating the process is the bound: a pool that is full answers "busy", which is safe to repeat elsewhere.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from mesh.errors import Busy

# Calls that may wait for a thread, per thread. With handlers as slow as the default deadline the fifth in line would
# be answered too late anyway.
WAITING_PER_THREAD = 4


_Work = tuple[Future[Any], Callable[[], Any]]


class HandlerThreads:
    """`threads` handlers at a time. Threads start when first needed.

    Daemons of our own and no executor: a process that stops must not wait for a handler that never returns.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._limit = threads * (1 + WAITING_PER_THREAD)
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._started = 0
        self._taken = 0
        self._loop = asyncio.get_running_loop()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)` in a thread, in a copy of the running context. Raises Busy when the pool is full."""
        if self._taken >= self._limit:
            raise Busy(f"{self._taken} plain handlers run or wait, the limit of this process")
        self._taken += 1
        if self._started < min(self._taken, self._threads):
            self._started += 1
            threading.Thread(target=self._work, name=f"mesh-handler-{self._started}", daemon=True).start()
        context = contextvars.copy_context()
        future: Future[Any] = Future()
        future.add_done_callback(self._released)
        self._queue.put((future, functools.partial(context.run, function, *args)))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            future, call = work
            if not future.set_running_or_notify_cancel():
                continue  # its caller gave up before it began
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
            del work, future, call  # a thread that waits holds no call

    def _released(self, _: Future[Any]) -> None:
        # Called in a thread, or here when a waiting call was cancelled before it began.
        try:
            self._loop.call_soon_threadsafe(self._count_down)
        except RuntimeError:
            pass  # the loop has ended; so has the counting

    def _count_down(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Lets no further handler begin. Those that run are not waited for: nobody would get their answer."""
        while True:
            try:
                work = self._queue.get_nowait()
            except Empty:
                break
            if work is not None:
                work[0].cancel()
        for _ in range(self._started):
            self._queue.put(None)
