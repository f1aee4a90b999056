"""The `Meta` service that every node serves beside its own: is it alive, what is its contract, what does it run on,
who still uses what of it is deprecated."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh.contract import load, service_of
from mesh.contract.model import Service
from mesh.node.usage import Usage

META = load(Path(__file__).parent.parent / "contract" / "meta.thrift")
META_SERVICE = service_of(META.module.Meta)

_PROCESS, _TRAFFIC = 0, 1  # HealthRequestType
_ACCEPTING, _STOPPING = 1, 2  # HealthState


class MetaHandler:
    """`ready` says whether calls are welcome, and if not, why."""

    def __init__(
        self, service: Service, name: str, version: str, ready: Callable[[], tuple[bool, str]], usage: Usage
    ) -> None:
        self._contract = service.contract
        self._name = name
        self._version = version
        self._ready = ready
        self._usage = usage

    async def health(self, hr: Any) -> Any:
        """PROCESS (also when nothing was asked): alive. TRAFFIC: send me calls."""
        ready, reason = self._ready()
        asked = _PROCESS if hr is None or hr.type is None else hr.type
        return META.module.HealthStatus(
            ok=ready if asked == _TRAFFIC else True, message=reason or None, state=_ACCEPTING if ready else _STOPPING
        )

    async def thriftIDL(self) -> Any:
        return META.module.ThriftIDLs(idls=dict(self._contract.texts), entryPoint=self._contract.entry_point)

    async def versionInfo(self) -> Any:
        return META.module.VersionInfo(
            language="python", language_version=platform.python_version(), version=self._version
        )

    async def deprecatedUse(self) -> Any:
        """In the spelling of its neighbours."""
        module = META.module
        return module.DeprecatedUse(
            since_ms=_ms(self._usage.since),
            things=[
                module.DeprecatedThing(method=method.wire_name, field=what.name or None, reason=what.reason)
                for method, what in self._usage.deprecated(self._name)
            ],
            callers=[
                module.DeprecatedCaller(
                    method=use.method,
                    field=use.what.name or None,
                    caller=use.caller,
                    calls=use.calls,
                    last_seen_ms=_ms(use.last_seen),
                )
                for use in self._usage.uses(self._name)
            ],
        )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def meta_for(
    service: Service, name: str, version: str, ready: Callable[[], tuple[bool, str]], usage: Usage
) -> tuple[Service, MetaHandler]:
    """Meta of `service`, which is served under `name`."""
    return META_SERVICE, MetaHandler(service, name, version, ready, usage)
