"""The cluster's state for others: as state.json, and as the reason why it is not ready.

One rule: pure; it reads instances and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mesh.cluster.instance import Change, Instance, State
from mesh.cluster.plan import CONSUL_ID


def settled(instance: Instance) -> bool:
    """Whether it is as it should be: ready, or stopped by somebody who wanted that."""
    return instance.state is State.READY or (not instance.wanted and instance.state is not State.FAILED)


def failed(instances: Iterable[Instance]) -> bool:
    return any(one.state is State.FAILED for one in instances)


def services_state(instances: Iterable[Instance], services: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """`services` and their instances, as state.json has them."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in services}
    for one in instances:
        if one.id != CONSUL_ID:
            found[one.service].append(_shown(one))
    return found


def consul_state(instances: Iterable[Instance]) -> dict[str, Any] | None:
    agent = next((one for one in instances if one.id == CONSUL_ID), None)
    return {**_shown(agent), "url": f"http://{agent.listen}"} if agent else None


def why_not_ready(reason: str, instances: Iterable[Instance], logs: Path) -> str:
    """`reason`, then each instance that is not as it should be, with the last lines that it printed."""
    lines = [reason]
    for one in instances:
        if not settled(one):
            lines.append(f"  {one.id} is {one.state}: {one.detail or 'no answer yet'}; log: {logs / one.id}.log")
            lines.extend(f"    | {line}" for line in one.tail())
    return "\n".join(lines)


def one_not_ready(instance: Instance, reason: str) -> str:
    """Why an instance that was started is no good, with the last lines that it printed."""
    return "\n".join([f"{instance.id}: {reason}", *(f"    | {line}" for line in instance.tail())])


def describe(change: Change) -> str:
    """`pricing-1 back-off: killed by SIGKILL; starts again in 150 ms`."""
    pid = f" (pid {change.pid})" if change.pid and change.state is State.STARTING else ""
    detail = f": {change.detail}" if change.detail else ""
    return f"{change.id} {change.state}{pid}{detail}"


def figures(instance: Instance, now: float, *, beside: bool = False) -> dict[str, Any]:
    """An instance as `mesh ps` shows it. `now` in seconds since the epoch; `beside`: on trial, or draining."""
    usage = instance.usage
    return {
        **_shown(instance),
        "service": instance.service,
        "name": instance.name,
        "detail": instance.detail,
        "beside": beside,
        "uptime_s": round(now - instance.started_at, 1) if instance.started_at is not None else None,
        "calls_per_s": usage.calls_per_s,
        "p99_ms": usage.p99_ms,
        "cpu": usage.cpu,
        "rss_bytes": usage.rss_bytes,
    }


def _shown(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "pid": instance.pid,
        "listen": instance.listen,
        "admin": instance.admin,
        "state": instance.state,
        "restarts": instance.restarts,
    }
