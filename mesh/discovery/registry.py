"""Who runs where: the interface that Consul, a peers file and a static list fit.

One rule: a registry that cannot be reached never takes an instance away from a caller. What it said last stays true
until it says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Instance:
    """One process that serves a service. `id` is unique in the registry; `admin` is `host:port` or None."""

    service: str
    id: str
    host: str
    port: int
    admin: str | None = None
    zone: str | None = None
    weight: int = 1
    meta: Mapping[str, str] = field(default_factory=dict)  # protocol, digest, version, zone, owner, node
    suspect: bool = False  # vanished in an answer too large to believe at once; kept for a while
    health: str = "passing"  # passing, warning or critical; a watch gives passing ones only, `services` all

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A live rule under a prefix. `expires_in` counts from when the reader saw it, on the reader's own clock."""

    key: str
    value: Any  # parsed JSON or TOML
    expires_at: float | None = None  # seconds of the reader's clock; None: until it is removed


Unwatch = Callable[[], None]
ParseRule = Callable[[str, Any], Any]


class Watch(Protocol):
    """The instances of one service, kept up to date until closed."""

    service: str

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The newest list that can be believed; empty before the first answer."""
        ...

    @property
    def known(self) -> bool:
        """Whether the registry has answered at all."""
        ...

    async def ready(self) -> None:
        """Returns after the first answer (or the first failure to get one)."""
        ...

    def subscribe(self, changed: Callable[[tuple[Instance, ...]], None]) -> Unwatch:
        """Calls `changed` at once with the current list and again on every change, on the loop."""
        ...

    def refused(self, instance: Instance) -> None:
        """A caller's connection was refused there: a suspect goes at once."""
        ...

    def close(self) -> None: ...


class RuleWatch(Protocol):
    """The rules under one prefix, expired ones left out, kept up to date until closed."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...
    async def ready(self) -> None: ...
    def subscribe(self, changed: Callable[[tuple[Rule, ...]], None]) -> Unwatch: ...
    def close(self) -> None: ...


class Registration(Protocol):
    """This process's entry, kept alive until withdrawn."""

    @property
    def registered(self) -> bool: ...

    @property
    def detail(self) -> str:
        """Why not, in words for /health; empty when registered."""
        ...

    async def withdraw(self) -> None:
        """Takes the entry out; tries for a bounded time and never raises."""
        ...


class Registry(Protocol):
    """`async with`; closing ends every watch and withdraws what is still registered."""

    url: str  # without secrets

    async def __aenter__(self) -> Registry: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def register(self, instance: Instance, *, health_url: str | None = None) -> Registration:
        """Enters `instance`. Returns also when the registry cannot be reached; the entry is then made later."""
        ...

    def watch(self, service: str) -> Watch: ...
    def watch_rules(self, prefix: str, *, parse: ParseRule | None = None) -> RuleWatch:
        """The rules whose keys start with `prefix`. `parse(key, value)` gives a value its type; a ValueError of its
        leaves that rule out, with one log line."""
        ...

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        """Everything registered with protocol `tchannel`, by service. Raises RegistryError."""
        ...


class RegistryError(Exception):
    """The registry cannot be reached or answers nonsense; the text says which and what to do."""


class RegistryRefused(RegistryError):
    """The registry answers, and says no (permission, bad request): asking again does not help."""
