"""What a node can be told: `Config`. Each section is defined beside what it configures.

One rule: a default that a person may wonder about has its reason beside it.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.admin.docs import DocsCalls
from mesh.admin.server import Remote
from mesh.admin.watchdog import WatchdogSettings
from mesh.config.secret import MASK, Secret
from mesh.discovery.address import without_secrets
from mesh.logs import LogSettings
from mesh.wire.limits import Limits

OFF = ("", "off")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # what fits a DNS label, which Consul serves services under


def check_name(text: str) -> None:
    """Raises ValueError for what cannot be a service's, an instance's or a zone's name."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"expected 1 to 63 letters, digits, dots, dashes or underscores, got {text!r}")


def check_address(text: str) -> None:
    """Raises ValueError unless `text` is `HOST:PORT` (`[HOST]:PORT` for IPv6)."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise ValueError(f"expected HOST:PORT ([HOST]:PORT for IPv6), got {text!r}")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"expected a port from 0 to 65535 after the colon, got {text!r}")


def _check_admin(text: str) -> None:
    if text not in OFF:
        check_address(text)


def _check_advertise(text: str) -> None:
    check_address(text)
    host, _, port = text.rpartition(":")
    if host in ("0.0.0.0", "[::]") or port == "0":
        raise ValueError(f"callers cannot dial {text!r}: advertise an address and port that they can reach")


def _named(**more: Any) -> Any:
    return field(default=None, metadata={"check": check_name}, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A node's settings. Times are in milliseconds, addresses `HOST:PORT` (port 0: any free one)."""

    name: str = field(default="node", metadata={"check": check_name})
    listen: str = field(default="127.0.0.1:0", metadata={"check": check_address})
    # Loopback: stacks and configuration are for whoever is on the machine. "off" for no admin side at all.
    admin: str | None = field(default="127.0.0.1:0", metadata={"check": _check_admin})
    # Of an admin side that does listen for others: health and metrics, or all of it.
    admin_remote: Remote = Remote.HEALTH
    # The form of /docs that calls methods. Whoever may open the page can call as this node then.
    docs_calls: DocsCalls = DocsCalls.AUTO
    # What the registry tells callers, where it differs from `listen` (containers, NAT).
    advertise: str | None = field(default=None, metadata={"check": _check_advertise})
    registry: str | None = None
    token: Secret | None = None
    instance: str | None = _named()
    zone: str | None = _named()
    version: str | None = None
    owner: str | None = None
    data_dir: Path | None = None
    # Ten times the default timeout of a method: what was accepted before the drain can end, and a supervisor that
    # kills after the usual 30 s still finds the process gone by itself.
    drain_ms: int = field(default=10_000, metadata={"at_least": 0, "at_most": 600_000})
    # Between leaving the registry and closing the door. A deregistration reaches a watcher in milliseconds; half a
    # second covers one that is backing off.
    settle_ms: int = field(default=500, metadata={"at_least": 0, "at_most": 60_000})
    # Plain `def` handlers at a time. They wait for disks and databases rather than compute, so more than the cores.
    threads: int = field(default=16, metadata={"at_least": 1, "at_most": 1024})
    # Names of callers that get a metric label of their own; the rest count as "other". A label value is a time
    # series per method and outcome, and the name is only claimed.
    max_callers: int = field(default=100, metadata={"at_least": 1, "at_most": 10_000})
    # Calls with the debug mark (mesh/call/debug.py) have no deadline, and a peer that a debugger stopped is waited for.
    debug: bool = False
    logs: LogSettings = field(default_factory=LogSettings)
    watchdog: WatchdogSettings = field(default_factory=WatchdogSettings)
    wire: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for limit in dataclasses.fields(self.wire):
            if not getattr(self.wire, limit.name) > 0:
                raise ValueError(f"wire.{limit.name}: expected more than 0, got {getattr(self.wire, limit.name)}")
        if self.admin in OFF:
            object.__setattr__(self, "admin", None)

    def to_public_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it, secrets hidden (also a password inside an URL)."""
        shown = _public(self)
        assert isinstance(shown, dict)
        return shown


def _public(value: Any) -> Any:
    if isinstance(value, Secret):
        return MASK
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _public(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return without_secrets(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {str(key): _public(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_public(item) for item in value]
    return value
