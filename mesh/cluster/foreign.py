"""Enters instances in the registry that do not do it themselves: TChannel servers in any language.

One rule: an entry stands exactly while the supervisor sees its instance ready.
"""

from __future__ import annotations

import asyncio

from mesh.cluster.instance import Change, Instance, State
from mesh.discovery import Instance as Entry
from mesh.discovery import Registration, Registry

META = {"protocol": "tchannel", "node": "mesh up"}


class Foreign:
    """Follows the changes of instances and their entries in `registry`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._registrations: dict[str, Registration] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, change: Change, instance: Instance) -> None:
        """Call with each change of an instance that is to be entered."""
        task = asyncio.create_task(self._settle(instance), name=f"registration of {change.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def missing(self, instance: Instance) -> str:
        """Why callers cannot find `instance` yet; empty once it is entered."""
        entered = self._registrations.get(instance.name)
        if entered is None:
            return "not registered: the first attempt is under way"
        return "" if entered.registered else entered.detail

    async def close(self) -> None:
        """Waits for what is under way; the registry takes out the rest when it is closed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _settle(self, instance: Instance) -> None:
        """Brings the entry to what the instance is by now; changes that overtake each other end the same."""
        async with self._turns.setdefault(instance.name, asyncio.Lock()):
            entered = self._registrations.get(instance.name)
            if instance.state is State.READY and entered is None:
                host, _, port = instance.listen.rpartition(":")
                entry = Entry(instance.service, instance.name, host, int(port), meta=META)
                self._registrations[instance.name] = await self._registry.register(entry)
            elif instance.state is not State.READY and entered is not None:
                del self._registrations[instance.name]
                await entered.withdraw()
