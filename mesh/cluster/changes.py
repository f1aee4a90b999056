"""What happens to the instances, and who waits for it.

One rule: whoever waited for a state finds it in the state file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh.cluster.instance import Change

Listener = Callable[[Change], None]


class Changes:
    """Tells listeners of every change, and wakes those who wait for a condition. `write` writes the state file."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._due = False  # several changes of one loop turn are written once
        self._listeners: list[Listener] = []
        self._woken = asyncio.Event()
        self._broken: BaseException | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` on the loop with every change. Returns the way to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def touch(self) -> None:
        """The state is another one although no instance went from one state to another."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._write_due)
        self._woken.set()

    def happened(self, change: Change) -> None:
        self.touch()
        for listener in tuple(self._listeners):
            listener(change)

    def broke(self, error: BaseException) -> None:
        """A bug ended a task of the supervisor: it is raised where somebody waits instead of being lost."""
        self._broken = error
        self._woken.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float | None) -> None:
        """Waits for a condition on the instances; it is looked at after every change. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self._broken is not None:
                    raise self._broken
                self._woken.clear()
                await self._woken.wait()
        self._write_due()

    def _write_due(self) -> None:
        if self._due:
            self._due = False
            self._write()
