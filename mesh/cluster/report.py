"""The cluster's state for others: as state.json, and as the reason why it is not ready.

One rule: pure; it reads instances and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mesh.cluster.instance import Instance, State
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


def _shown(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "pid": instance.pid,
        "listen": instance.listen,
        "admin": instance.admin,
        "state": instance.state,
        "restarts": instance.restarts,
    }
