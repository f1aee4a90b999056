"""The instances of a cluster: one in each place, and for a while a second one beside it.

One rule: nothing leaves the roster before its process has ended. Whoever stops a cluster, or looks whose children there
are, sees those as well that are being tried, and those that are still draining.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from mesh.cluster.instance import Instance, Spec
from mesh.cluster.rundir import ClusterError


class Maker(Protocol):
    """Makes the instance that a spec describes; `trial` as in Instance."""

    def __call__(self, spec: Spec, *, trial: bool) -> Instance: ...


class Roster:
    """`make` makes instances. `broke` is told of a task that ended with an error: a bug."""

    def __init__(self, cluster: str, make: Maker, broke: Callable[[BaseException], None]) -> None:
        self._cluster = cluster
        self._make = make
        self._broke = broke
        self._placed: dict[str, Instance] = {}
        self._beside: list[Instance] = []
        self._lives: dict[str, int] = {}  # how many processes a place has had names for
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.full = False  # the cluster stops: who came now would be seen by nobody

    @property
    def placed(self) -> tuple[Instance, ...]:
        """The instances that count, each under its id; in the order in which they were added."""
        return tuple(self._placed.values())

    @property
    def everyone(self) -> tuple[Instance, ...]:
        """These, and those beside them."""
        return (*self._placed.values(), *self._beside)

    def find(self, id: str) -> Instance:
        """Raises LookupError with those that there are."""
        if id not in self._placed:
            raise LookupError(f"no instance {id!r} in the cluster {self._cluster}; it has {', '.join(self._placed)}")
        return self._placed[id]

    def of(self, service: str) -> list[Instance]:
        """A service's instances, by number."""
        return sorted((one for one in self.placed if one.service == service), key=lambda one: one.spec.number)

    def add(self, spec: Spec, *, trial: bool = False) -> Instance:
        """A place of its own. Wants nothing yet: `start` does. Raises ClusterError when the cluster stops."""
        self._check()
        self._placed[spec.id] = instance = self._make(spec, trial=trial)
        self.background(instance.name, instance.run())
        return instance

    def next_name(self, id: str) -> str:
        """A name that no process of this place has had: `pricing-1.2` for the second one."""
        self._lives[id] = self._lives.get(id, 1) + 1
        return f"{id}.{self._lives[id]}"

    def add_beside(self, spec: Spec) -> Instance:
        """One on trial, in nobody's place yet. Raises ClusterError when that place has one already."""
        self._check()
        if any(one.id == spec.id and one.trial for one in self._beside):
            raise ClusterError(f"{spec.id} is being replaced already")
        instance = self._make(spec, trial=True)
        self._beside.append(instance)
        self.background(instance.name, instance.run())
        return instance

    def _check(self) -> None:
        if self.full:
            raise ClusterError("the cluster stops")

    def promote(self, new: Instance) -> Instance:
        """`new` takes its place. Returns who had it, who is beside it from now on."""
        old = self._placed[new.id]
        self._beside[self._beside.index(new)] = old
        self._placed[new.id] = new
        new.trial = False
        new.restarts = old.restarts + 1
        return old

    async def remove(self, instance: Instance) -> None:
        """Stops it in good order and forgets it. Goes on to the end also when the caller is cancelled."""
        key = f"removal of {instance.name}"
        if key not in self._tasks:
            self.background(key, self._remove(instance))
        await asyncio.shield(asyncio.wait([self._tasks[key]]))

    async def _remove(self, instance: Instance) -> None:
        await instance.stop()
        supervising = self._tasks.get(instance.name)
        if supervising is not None:
            supervising.cancel()
            await asyncio.wait([supervising])
        instance.give_back()
        if instance in self._beside:
            self._beside.remove(instance)
        elif self._placed.get(instance.id) is instance:
            del self._placed[instance.id]

    def background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` until `close`. An error of its own is a bug and comes out where somebody waits."""
        task = asyncio.create_task(work, name=f"cluster {self._cluster}: {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broke(error)

    async def close(self) -> None:
        """Ends every task; an instance that still runs is killed by its own."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stop_all(instances: Iterable[Instance]) -> None:
    """All at once, in good order."""
    await asyncio.gather(*(one.stop() for one in instances))
