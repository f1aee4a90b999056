"""The `Meta` service that every node serves beside its own: is it alive, what is its contract, what does it run on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh.contract import load, service_of
from mesh.contract.model import Contract, Service

META = load(Path(__file__).parent.parent / "contract" / "meta.thrift")
META_SERVICE = service_of(META.module.Meta)

_PROCESS, _TRAFFIC = 0, 1  # HealthRequestType
_ACCEPTING, _STOPPING = 1, 2  # HealthState


class MetaHandler:
    """`ready` says whether calls are welcome, and if not, why."""

    def __init__(self, contract: Contract, version: str, ready: Callable[[], tuple[bool, str]]) -> None:
        self._contract = contract
        self._version = version
        self._ready = ready

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


def meta_for(contract: Contract, version: str, ready: Callable[[], tuple[bool, str]]) -> tuple[Service, MetaHandler]:
    return META_SERVICE, MetaHandler(contract, version, ready)
