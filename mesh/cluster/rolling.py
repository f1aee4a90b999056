"""A rolling restart: one instance after the other gets a new process, and the first bad one stops it.

The plan is read again first. When a new process does not become healthy, the instances that already run as the new plan
says go back to what they ran before, where the plan has changed for them; everything else keeps the process that it
has. What was only edited on disk (code) cannot be gone back to: those that run it already passed their trial.

One rule: at no time is an instance without a process that serves, neither on the way there nor on the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mesh.cluster.cluster import Cluster
from mesh.cluster.instance import Instance, Spec
from mesh.cluster.plan import ClusterConfig
from mesh.cluster.replace import Replaced, ReplaceError
from mesh.cluster.rundir import ClusterError

# They are worked out once, at the start of the cluster: sockets that are bound, a registry that is opened.
FIXED = ("shared_ports", "register")


class RollingError(ClusterError):
    """The restart stopped; the text says at which instance, why, and what became of the others."""

    def __init__(self, reason: str, rolled: Rolled, tail: Sequence[str] = ()) -> None:
        lines = [reason, *(f"  | {line}" for line in tail)]
        if rolled.went_back:
            lines.append(f"back to what they ran before: {', '.join(rolled.went_back)}")
        if rolled.stuck:
            lines.append(f"could not go back and run as the new plan says: {', '.join(rolled.stuck)}")
        kept = [done.id for done in rolled.replaced if done.id not in (*rolled.went_back, *rolled.stuck)]
        if kept:
            lines.append(f"new and healthy, with nothing to go back to: {', '.join(kept)}")
        lines.append(f"untouched: {', '.join(rolled.untouched) or 'none'}")
        super().__init__("\n".join(lines))
        self.rolled = rolled


@dataclass
class Rolled:
    """How far it came."""

    replaced: list[Replaced] = field(default_factory=list)
    went_back: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)


Progress = Callable[[str], None]


async def restart(
    cluster: Cluster,
    names: Sequence[str],
    config: ClusterConfig,
    *,
    say: Progress = lambda line: None,
    abandoned: asyncio.Event | None = None,
) -> Rolled:
    """Restarts the services and instances `names`, in the order of the plan, as the plan `config` says.

    `say` gets a line per step. When `abandoned` is set (whoever asked has gone) it stops as after a failure. Raises
    LookupError for an unknown name, ClusterError for a plan that cannot be followed, RollingError when it stopped.
    """
    chosen = chosen_instances(cluster, names)
    _check(cluster, {one.service for one in chosen}, config)
    rolled = Rolled(untouched=[one.id for one in chosen])
    before: dict[str, Spec] = {}
    for one in chosen:
        if one not in cluster.instances:
            continue  # scaled down, or replaced by somebody else, in the meantime
        say(f"{one.id}: starting a new process beside pid {one.pid}")
        before[one.id] = one.spec
        try:
            done = await _unless(abandoned, cluster.replace_instance(one.id, config=config), one.id)
        except ReplaceError as error:
            if not cluster.stopping:
                await _go_back(cluster, rolled, before, config, say)
            raise RollingError(f"{one.id} was not restarted: {error.reason}", rolled, error.tail) from None
        rolled.replaced.append(done)
        rolled.untouched.remove(one.id)
        say(f"{one.id}: pid {done.pid} serves after {done.seconds:.1f} s, pid {done.old_pid} has ended")
    for service in {one.service for one in chosen}:
        if all(one.id in before for one in cluster.instances if one.service == service):
            cluster.follow(service, config)
    return rolled


def chosen_instances(cluster: Cluster, names: Sequence[str]) -> list[Instance]:
    """The instances that services and ids name, each once, in the plan's order. Raises LookupError."""
    known = {one.id for one in cluster.instances if one.spec.plan is not None} | set(cluster.config.services)
    for name in names:
        if name not in known:
            raise LookupError(f"no service or instance {name!r} in the cluster {cluster.name}")
    found = [one for one in cluster.instances if one.spec.plan and {one.id, one.service} & set(names)]
    order = list(cluster.config.services)
    return sorted(found, key=lambda one: (order.index(one.service), one.spec.number))


def _check(cluster: Cluster, services: set[str], config: ClusterConfig) -> None:
    for service in sorted(services):
        if service not in config.services:
            raise ClusterError(
                f"the plan has no service {service} any more; mesh scale {service}=0 stops it, mesh up starts afresh"
            )
        new, old = config.services[service], cluster.config.services[service]
        changed = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
        if changed:
            raise ClusterError(
                f"{' and '.join(changed)} of {service} changed in the plan: that takes mesh down and mesh up"
            )


async def _unless(abandoned: asyncio.Event | None, work: Coroutine[Any, Any, Replaced], id: str) -> Replaced:
    """`work`, given up when `abandoned` is set first: ReplaceError then, as for any instance that was not replaced."""
    if abandoned is None:
        return await work
    replacing = asyncio.create_task(work)
    leaving = asyncio.create_task(abandoned.wait())
    try:
        await asyncio.wait((replacing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not replacing.done():
            replacing.cancel()
            await asyncio.wait([replacing])
        if replacing.cancelled():
            raise ReplaceError(id, "whoever asked for it has gone", (), Path())
        return replacing.result()
    finally:
        leaving.cancel()
        replacing.cancel()


async def _go_back(
    cluster: Cluster, rolled: Rolled, before: dict[str, Spec], config: ClusterConfig, say: Progress
) -> None:
    for done in reversed(rolled.replaced):
        spec = before[done.id]
        if not differs(spec, config):
            continue
        say(f"{done.id}: goes back to what it ran before")
        try:
            await cluster.replace_instance(done.id, config=spec.plan)
            rolled.went_back.append(done.id)
        except ReplaceError as error:
            say(str(error))
            rolled.stuck.append(done.id)


def differs(spec: Spec, config: ClusterConfig) -> bool:
    """Whether the plan starts this instance otherwise than `spec` did; how many there are of it does not count."""
    old = spec.plan
    assert old is not None, "every instance of a service has a plan"
    then, now = old.services[spec.service], config.services[spec.service]
    return old.env != config.env or replace(then, instances=0) != replace(now, instances=0)
