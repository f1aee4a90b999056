"""What can be asked of a running cluster over its control socket, and by whom at a time.

One rule: one change at a time. Who wants another one while a restart or a scaling is under way is told so; only `down`
goes ahead of everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from mesh.cluster import report, rolling, scaling
from mesh.cluster.cluster import Cluster
from mesh.cluster.control import Asker
from mesh.cluster.plan import Source
from mesh.cluster.protocol import Request
from mesh.cluster.rundir import ClusterError

T = TypeVar("T")
MAX_NAMES = 256  # of services and instances in one request


class Commands:
    """Answers requests to the cluster that `cluster()` gives. `source` is read again for a restart; `stop(at_once)`
    begins the end of the cluster.
    """

    def __init__(self, cluster: Callable[[], Cluster], source: Source, stop: Callable[[bool], None]) -> None:
        self._of = cluster
        self._source = source
        self._stop = stop
        self._under_way = ""
        self._since = 0.0

    @property
    def _cluster(self) -> Cluster:
        return self._of()

    async def answer(self, request: Request, asker: Asker) -> dict[str, Any]:
        """Raises LookupError, ValueError, ClusterError with what is wrong."""
        arguments = request.arguments
        if request.command == "ps":
            return {**self._everything(), "under_way": self._under_way}
        if request.command == "ready":
            return await self._ready(asker)
        if request.command == "restart":
            return await self._restart(_names(arguments.get("names")), asker)
        if request.command == "scale":
            return await self._scale(_counts(arguments.get("counts")), asker)
        return self._down(arguments.get("at_once") is True)

    async def _ready(self, asker: Asker) -> dict[str, Any]:
        forget = self._cluster.subscribe(lambda change: asker.say(report.describe(change)))
        try:
            await _while_there(asker, self._cluster.started())
            await _while_there(asker, self._cluster.ready())
        finally:
            forget()
        if self._cluster.stopping:  # nothing is wanted any more, so that nothing is missing
            raise ClusterError("the cluster stops")
        return self._everything()

    def _everything(self) -> dict[str, Any]:
        """Every process that there is, those beside the others, too."""
        cluster, now = self._cluster, time.time()
        return {
            "name": cluster.name,
            "pid": os.getpid(),
            "stopping": cluster.stopping,
            "directory": str(cluster.directory),
            "file": str(self._source.path),
            "overlays": list(self._source.overlays),
            "registry": cluster.registry,
            "shared": cluster.shared,
            "services": list(cluster.config.services),
            "instances": [
                *(report.figures(one, now) for one in cluster.instances),
                *(report.figures(one, now, beside=True) for one in cluster.beside),
            ],
        }

    async def _restart(self, names: list[str], asker: Asker) -> dict[str, Any]:
        with self._alone(f"a restart of {', '.join(names)}"):
            config = self._source.read()
            rolled = await rolling.restart(self._cluster, names, config, say=asker.say, abandoned=asker.gone)
        return {
            "restarted": [
                {"id": done.id, "old_pid": done.old_pid, "pid": done.pid, "seconds": round(done.seconds, 3)}
                for done in rolled.replaced
            ]
        }

    async def _scale(self, counts: dict[str, int], asker: Asker) -> dict[str, Any]:
        with self._alone(f"a scaling of {', '.join(counts)}"):
            done = await _while_there(asker, scaling.scale(self._cluster, counts, say=asker.say))
        return {"scaled": {service: {"before": before, "after": after} for service, (before, after) in done.items()}}

    def _down(self, at_once: bool) -> dict[str, Any]:
        self._stop(at_once)
        return {}

    @contextlib.contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        if not self._cluster.begun:
            raise ClusterError("the cluster is just starting; try again in a moment")
        if self._cluster.stopping:
            raise ClusterError("the cluster stops")
        if self._under_way:
            seconds = time.monotonic() - self._since
            raise ClusterError(
                f"{self._under_way} is under way since {seconds:.0f} s: wait for it, or end it with Ctrl-C where it was"
                " asked for"
            )
        self._under_way, self._since = what, time.monotonic()
        try:
            yield
        finally:
            self._under_way = ""


async def _while_there(asker: Asker, work: Coroutine[Any, Any, T]) -> T:
    """`work`, cancelled when whoever asked for it has gone."""
    task, leaving = asyncio.create_task(work), asyncio.create_task(asker.gone.wait())
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClusterError("whoever asked for it has gone")
    finally:
        leaving.cancel()
        task.cancel()
        await asyncio.wait((task, leaving))


def _names(given: object) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise ValueError("names: expected a list of services or instances")
    if len(given) > MAX_NAMES:
        raise ValueError(f"names: {len(given)}, more than {MAX_NAMES}")
    return given


def _counts(given: object) -> dict[str, int]:
    if not isinstance(given, dict) or not given or not all(type(count) is int for count in given.values()):
        raise ValueError("counts: expected an object of services and numbers")
    if len(given) > MAX_NAMES:
        raise ValueError(f"counts: {len(given)}, more than {MAX_NAMES}")
    return given
