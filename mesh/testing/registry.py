"""A registry in the process: what is registered is seen by every watcher on the next loop turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mesh.discovery.registry import Instance, Rule


class _List:
    """One list that is watched; items are compared by nothing, every change is told."""

    def __init__(self) -> None:
        self.items: tuple[Any, ...] = ()
        self._subscribers: list[Callable[[tuple[Any, ...]], None]] = []

    def change(self, items: tuple[Any, ...]) -> None:
        self.items = items
        for changed in list(self._subscribers):
            asyncio.get_running_loop().call_soon(changed, items)

    def subscribe(self, changed: Callable[[tuple[Any, ...]], None]) -> Callable[[], None]:
        self._subscribers.append(changed)
        changed(self.items)
        return lambda: self._subscribers.remove(changed) if changed in self._subscribers else None


class MemoryWatch:
    """A `Watch` and a `RuleWatch` in one."""

    known = True

    def __init__(self, service: str, watched: _List) -> None:
        self.service = service
        self._list = watched
        self._ends: list[Callable[[], None]] = []

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self._list.items

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._list.items

    async def ready(self) -> None:
        return None

    def subscribe(self, changed: Callable[[tuple[Any, ...]], None]) -> Callable[[], None]:
        end = self._list.subscribe(changed)
        self._ends.append(end)
        return end

    def refused(self, instance: Instance) -> None:
        return None

    def close(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()


class MemoryRegistration:
    registered = True
    detail = ""

    def __init__(self, registry: MemoryRegistry, instance: Instance) -> None:
        self._registry = registry
        self._instance = instance

    async def withdraw(self) -> None:
        self._registry.remove(self._instance)
        await asyncio.sleep(0)


class MemoryRegistry:
    """A `Registry`. Shared by the nodes of a test; entering and leaving it does nothing."""

    url = "memory://"

    def __init__(self) -> None:
        self._services: dict[str, _List] = {}
        self._rules: dict[str, _List] = {}

    async def __aenter__(self) -> MemoryRegistry:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    def _list(self, service: str) -> _List:
        return self._services.setdefault(service, _List())

    def add(self, instance: Instance) -> None:
        watched = self._list(instance.service)
        watched.change((*(item for item in watched.items if item.id != instance.id), instance))

    def remove(self, instance: Instance) -> None:
        watched = self._list(instance.service)
        watched.change(tuple(item for item in watched.items if item.id != instance.id))

    async def register(self, instance: Instance, *, health_url: str | None = None) -> MemoryRegistration:
        self.add(instance)
        await asyncio.sleep(0)  # every watcher has heard of it
        return MemoryRegistration(self, instance)

    def watch(self, service: str) -> MemoryWatch:
        return MemoryWatch(service, self._list(service))

    def watch_rules(self, prefix: str, *, parse: Callable[[str, Any], Any] | None = None) -> MemoryWatch:
        return MemoryWatch(prefix, self._rules.setdefault(prefix, _List()))

    def set_rules(self, prefix: str, *rules: Rule) -> None:
        """What `watch_rules(prefix)` sees from now on."""
        self._rules.setdefault(prefix, _List()).change(rules)

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        return {name: watched.items for name, watched in self._services.items() if watched.items}
