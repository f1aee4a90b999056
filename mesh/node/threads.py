"""Plain `def` handlers in a bounded thread pool, with the context and the deadline of their call.

A thread cannot be stopped: when the deadline passes, the caller is answered and the thread goes on. What keeps that
from eating the process is the bound: a pool that is full answers "busy", which is safe to repeat elsewhere.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mesh.errors import Busy

# Calls that may wait for a thread, per thread. With handlers as slow as the default deadline the fifth in line would
# be answered too late anyway.
WAITING_PER_THREAD = 4


class HandlerThreads:
    """`threads` handlers at a time. Threads start when first needed."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mesh-handler")
        self._limit = threads * (1 + WAITING_PER_THREAD)
        self._taken = 0
        self._loop = asyncio.get_running_loop()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)` in a thread, in a copy of the running context. Raises Busy when the pool is full."""
        if self._taken >= self._limit:
            raise Busy(f"{self._taken} plain handlers run or wait, the limit of this process")
        self._taken += 1
        context = contextvars.copy_context()
        future = self._pool.submit(context.run, function, *args)
        future.add_done_callback(self._released)
        return await asyncio.wrap_future(future)

    def _released(self, _: Future[Any]) -> None:
        # Called in the pool's thread, or here when a waiting call was cancelled before it began.
        try:
            self._loop.call_soon_threadsafe(self._count_down)
        except RuntimeError:
            pass  # the loop has ended; so has the counting

    def _count_down(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Lets no further handler begin. Those that run are not waited for: nobody would get their answer."""
        self._pool.shutdown(wait=False, cancel_futures=True)
