"""What lives with a node besides its own: attached parts, and hooks around its start and stop."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from mesh.admin import Check

log = logging.getLogger("mesh.node")

Hook = Callable[[], Awaitable[object] | object]


class Parts:
    """Entered in the order in which they were attached, left in reverse."""

    def __init__(self) -> None:
        self.attached: list[Any] = []
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        self._entered = AsyncExitStack()

    async def enter(self) -> None:
        """Parts, then the start hooks. What raises stops the start."""
        for part in self.attached:
            await self._entered.enter_async_context(part)
        for hook in self.start_hooks:
            await _run(hook)

    async def leave(self) -> None:
        """Stop hooks, then parts. A hook that fails is logged and keeps nobody from closing."""
        for hook in self.stop_hooks:
            try:
                await _run(hook)
            except Exception:
                log.exception("a stop hook failed; the others run all the same")
        await self._entered.aclose()

    def checks(self) -> dict[str, Check]:
        """The word of every part that has a `health()`."""
        return {type(part).__name__: part.health() for part in self.attached if hasattr(part, "health")}


async def _run(hook: Hook) -> None:
    done = hook()
    if inspect.isawaitable(done):
        await done
