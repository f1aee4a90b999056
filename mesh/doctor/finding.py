"""What a check says, and what it is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mesh.cluster.plan import ClusterConfig
from mesh.cluster.plan import load as load_plan
from mesh.config import Config, load


class Level(enum.StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, and will surprise somebody
    FAIL = "fail"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is found, in one line; `do` is what to do about it, where there is something to do."""

    level: Level
    what: str
    do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)  # the same for programs


def ok(what: str, **facts: Any) -> Finding:
    return Finding(Level.OK, what, "", facts)


def warn(what: str, do: str, **facts: Any) -> Finding:
    return Finding(Level.WARN, what, do, facts)


def fail(what: str, do: str, **facts: Any) -> Finding:
    return Finding(Level.FAIL, what, do, facts)


class Patient:
    """What is examined: this machine, and the project whose cluster.toml is `plan_file` (it need not be there)."""

    def __init__(self, plan_file: Path, env: Mapping[str, str], *, registry: str | None = None) -> None:
        self.plan_file = plan_file
        self.folder = plan_file.parent
        self.env = env
        self._registry = registry

    @cached_property
    def config(self) -> Config:
        """The node configuration that the environment gives. Raises ConfigError."""
        return load(None, self.env)

    @cached_property
    def plan(self) -> ClusterConfig | None:
        """None without a cluster.toml. Raises ConfigError."""
        return load_plan(self.plan_file) if self.plan_file.exists() else None

    @property
    def registry(self) -> str | None:
        """The registry that is asked for, named on the command line or by the configuration."""
        return self._registry or self.config.registry
