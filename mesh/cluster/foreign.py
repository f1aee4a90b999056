"""Enters instances in the registry that do not do it themselves: TChannel servers in any language.

One rule: an entry stands exactly while the supervisor sees its instance ready.
"""

from __future__ import annotations

import asyncio

from mesh.cluster.instance import Change, Instance, State
from mesh.cluster.place import ALONE, Place
from mesh.discovery import Instance as Entry
from mesh.discovery import Registration, Registry
from mesh.discovery.address import format_address

META = {"protocol": "tchannel", "node": "mesh up"}


class Foreign:
    """Follows the changes of instances and their entries in `registry`, under the address of `place`."""

    def __init__(self, registry: Registry, place: Place = ALONE) -> None:
        self._registry = registry
        self._place = place
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
                self._registrations[instance.name] = await self._enter(instance)
            elif instance.state is not State.READY and entered is not None:
                del self._registrations[instance.name]
                await entered.withdraw()

    async def _enter(self, instance: Instance) -> Registration:
        host, port = self._place.advertise, instance.ports[0]
        entry = Entry(instance.service, self._place.name_of(instance.name, port), host, port, meta=META)
        # A Consul that others keep would list it for ever, should this machine lose its power.
        check = f"tcp://{format_address(host, port)}" if self._place.shared else None
        return await self._registry.register(entry, health_url=check)
