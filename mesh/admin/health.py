"""What a process says about itself: does it live, and may callers come.

One rule: `live` false asks for a restart, `ready` false only for no more calls. A dependency that is down makes a
process unready at most, never dead: restarting it would not bring the dependency back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One part's own word. `detail` is for people: why not, or what is odd though it works."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A moment's answer of the whole process."""

    live: bool
    ready: bool
    name: str
    version: str | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "live": self.live,
            "ready": self.ready,
            "name": self.name,
            "version": self.version,
            "checks": {name: {"ok": check.ok, "detail": check.detail} for name, check in self.checks.items()},
        }
