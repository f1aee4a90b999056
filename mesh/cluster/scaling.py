"""More instances of a service, or fewer, while the cluster runs.

One rule: it says what runs now and writes no file; the next `mesh up` has the plan's numbers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from mesh.cluster import report
from mesh.cluster.cluster import Cluster
from mesh.cluster.instance import Instance, State
from mesh.cluster.plan import MAX_INSTANCES
from mesh.cluster.rundir import ClusterError


async def scale(
    cluster: Cluster, counts: Mapping[str, int], *, say: Callable[[str], None] = lambda line: None
) -> dict[str, tuple[int, int]]:
    """Brings each service to its count. Returns (before, after) by service.

    All that come are started together and awaited; one that does not get ready is taken away again, and ClusterError
    says why. Those with the highest numbers go, each drained. Raises LookupError for an unknown service, ValueError
    for a count out of bounds; nothing has happened then.
    """
    for service, count in counts.items():
        if service not in cluster.config.services:
            raise LookupError(f"no service {service!r} in the cluster {cluster.name}")
        if not 0 <= count <= MAX_INSTANCES:
            raise ValueError(f"{service}={count}: a service has 0 to {MAX_INSTANCES} instances")
    before = {service: len(cluster.of(service)) for service in counts}
    going = [one for service, count in counts.items() for one in cluster.of(service)[count:]]
    coming = [service for service, count in counts.items() for _ in range(count - before[service])]
    results = await asyncio.gather(
        *(_add(cluster, service, say) for service in coming),
        *(_take(cluster, one.id, say) for one in going),
        return_exceptions=True,
    )
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, ClusterError):
            raise failure
    if failures:
        raise ClusterError("\n".join(str(failure) for failure in failures))
    return {service: (before[service], len(cluster.of(service))) for service in counts}


async def _add(cluster: Cluster, service: str, say: Callable[[str], None]) -> None:
    one = cluster.add_on_trial(service)
    limit_s = cluster.config.ready_timeout_s
    try:
        reason = await _tried(cluster, one, limit_s)
        if reason:
            raise ClusterError(report.one_not_ready(one, reason))
    except BaseException:
        await cluster.remove_instance(one.id)
        raise
    one.trial = False
    say(f"{one.id}: ready")


async def _tried(cluster: Cluster, one: Instance, limit_s: float) -> str:
    """Why it is no good; empty once it is ready."""
    try:
        await cluster.until(lambda: one.state in (State.READY, State.FAILED, State.STOPPED), limit_s)
    except TimeoutError:
        return f"not ready after {limit_s:g} s: {one.detail}"
    return "" if one.state is State.READY else one.detail or "the cluster stops"


async def _take(cluster: Cluster, id: str, say: Callable[[str], None]) -> None:
    say(f"{id}: draining")
    await cluster.remove_instance(id)
    say(f"{id}: gone")
