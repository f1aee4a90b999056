"""A node's entries in the registry: one per service that it serves."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from mesh.admin import Check
from mesh.config import Config
from mesh.contract.model import Service
from mesh.discovery import Instance, Registration, Registry
from mesh.discovery.address import format_address
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
        admin = _known_to_others(admin, host) if admin else None
        health_url = _health_url(registry.url, address, admin)
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


def _known_to_others(admin: str, host: str) -> str:
    """The admin side's address: where it listens on all, the one that the node is known under."""
    listening, port = split_address(admin)
    return format_address(host, port) if ipaddress.ip_address(listening).is_unspecified else admin


def _health_url(registry: str, address: str, admin: str | None) -> str | None:
    """What the registry is to ask. An agent on another machine gets to no admin side on loopback, but to the RPC port;
    not asked at all it would list a machine without power for ever.
    """
    if admin is None:
        return None
    if _on_loopback(admin) and not _on_loopback(address) and not _local(registry):
        return f"tcp://{address}"
    return f"http://{admin}/health"


def _local(registry: str) -> bool:
    """Whether the registry at this URL is on this machine for sure."""
    hosts = urlsplit(registry).netloc.split(",")
    return registry.startswith("file:") or all(_on_loopback(host) for host in hosts)


def _on_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _id(service: str, instance: str) -> str:
    """Unique in the registry. A node may serve several services; an instance's name may begin with one's."""
    return instance if instance.startswith(f"{service}-") else f"{service}-{instance}"
