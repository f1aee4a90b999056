"""A value that changes, and those who follow it.

One rule: a follower that fails harms neither the others nor the source.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from mesh.discovery.registry import Unwatch

T = TypeVar("T")

log = logging.getLogger("mesh.discovery")


class Followed(Generic[T]):
    """Holds the newest value. `known`: a source has given one; `settled`: it has at least tried."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.known = False
        self._settled = asyncio.Event()
        self._followers: dict[object, Callable[[T], None]] = {}

    def set(self, value: T) -> None:
        """Takes the new value; tells the followers if it differs."""
        changed = value != self.value
        self.value = value
        if changed:
            for follower in list(self._followers.values()):
                self._tell(follower)

    def answered(self) -> None:
        self.known = True
        self._settled.set()

    def tried(self) -> None:
        self._settled.set()

    async def ready(self) -> None:
        await self._settled.wait()

    def subscribe(self, changed: Callable[[T], None]) -> Unwatch:
        """Calls `changed` with the value now and on every change, until the returned function is called."""
        key = object()
        self._followers[key] = changed
        self._tell(changed)

        def unwatch() -> None:
            self._followers.pop(key, None)

        return unwatch

    def _tell(self, follower: Callable[[T], None]) -> None:
        try:
            follower(self.value)
        except Exception:
            log.exception("a follower of the registry failed: %r", follower)
