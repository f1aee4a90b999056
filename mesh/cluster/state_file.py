"""state.json of a cluster, read from outside.

One rule: it may be missing or old, and nobody trusts a pid in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mesh.cluster.instance import State
from mesh.cluster.rundir import STATE

_ENDED = (State.STOPPED, State.FAILED, State.WAITING)


def unfinished(run: Path) -> list[str]:
    """The instances that have not ended by the state file, with their state; none when it cannot be read."""
    return [
        f"{one['id']} ({one['state']})"
        for instances in _services(run).values()
        for one in instances
        if one.get("state") not in _ENDED
    ]


def _services(run: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        services = json.loads((run / STATE).read_text(encoding="utf-8"))["services"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return services if isinstance(services, dict) else {}
