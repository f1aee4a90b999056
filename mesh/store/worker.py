"""Blocking work off the loop, in threads of the store's own.

One rule: whoever waits for a piece of work waits until it has ended, also when cancelled. A thread cannot be stopped,
and what it still does must not surprise the next transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mesh.store.errors import StoreClosed

T = TypeVar("T")


async def settled(future: asyncio.Future[T], on_cancel: Callable[[], None] | None = None) -> T:
    """The future's result, once it is there. A cancellation meanwhile calls `on_cancel` and is raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
            if on_cancel is not None:
                on_cancel()
    if cancelled is not None:
        future.exception()  # seen; the cancellation is what the caller hears of
        raise cancelled
    return future.result()


class Worker:
    """A few threads that take pieces of work in order."""

    def __init__(self, name: str, threads: int) -> None:
        self._closed = False
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Starts `work` in a thread. Raises StoreClosed."""
        if self._closed:
            raise StoreClosed("the store was closed meanwhile")
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def run(self, work: Callable[[], T], on_cancel: Callable[[], None] | None = None) -> T:
        """Runs `work` in a thread, to its end."""
        return await settled(self.submit(work), on_cancel)

    def close(self, *, wait: bool = False) -> None:
        """Ends the threads; what was submitted is still done. `wait` blocks until it is."""
        self._closed = True
        self._pool.shutdown(wait=wait)
