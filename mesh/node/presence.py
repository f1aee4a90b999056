"""A node's entries in the registry: one per service that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mesh.admin import Check
from mesh.config import Config
from mesh.contract.model import Service
from mesh.discovery import Instance, Registration, Registry
from mesh.net import split_address


class Presence:
    """Made when the node listens, withdrawn first when it stops."""

    def __init__(self) -> None:
        self._registrations: dict[str, Registration] = {}

    def __bool__(self) -> bool:
        """Whether callers may have heard of this node."""
        return bool(self._registrations)

    async def register(
        self,
        registry: Registry,
        services: Mapping[str, Service],
        *,
        address: str,
        admin: str | None,
        version: str,
        config: Config,
    ) -> None:
        """Enters each service under its name. Returns also when the registry is away; it is told to /health then."""
        host, port = split_address(address)
        health_url = f"http://{admin}/health" if admin else None
        for name, service in services.items():
            instance = Instance(
                name,
                _id(name, config.instance or f"{host}-{port}"),
                host,
                port,
                admin=admin,
                zone=config.zone,
                meta={
                    "protocol": "tchannel",
                    "digest": service.contract.digest,
                    "version": version,
                    "owner": service.owner or config.owner or "",
                    "node": config.name,
                },
            )
            self._registrations[name] = await registry.register(instance, health_url=health_url)

    async def withdraw(self) -> None:
        await asyncio.gather(*(registration.withdraw() for registration in self._registrations.values()))

    def checks(self) -> dict[str, Check]:
        return {
            f"registered:{name}": Check(registration.registered, registration.detail)
            for name, registration in self._registrations.items()
        }


def _id(service: str, instance: str) -> str:
    """Unique in the registry. A node may serve several services; an instance's name may begin with one's."""
    return instance if instance.startswith(f"{service}-") else f"{service}-{instance}"
