"""Where a cluster's processes listen, and under which address other machines find them.

One rule: alone on its machine a cluster stays on loopback. Beside others on a shared Consul it listens on the one
address that it is known under; on all only where that address is none of this machine's own (NAT, a container's host).
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from mesh.cluster.ports import HOST
from mesh.discovery.address import format_address

MAX_NAME = 63  # of an instance in the registry, as mesh.config checks it
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class PlaceError(ValueError):
    """No address can be told to others; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """`bind` is listened on, `reach` is how this machine gets there, `advertise` is what the registry tells others."""

    bind: str = HOST
    reach: str = HOST
    advertise: str = HOST
    shared: bool = False  # whether the registry has instances that others started

    def name_of(self, instance: str, port: int) -> str:
        """What `instance` is called in the registry: there, `pricing-1` is one of every machine's."""
        if not self.shared:
            return instance
        name = _UNFIT.sub(".", f"{instance}-{self.advertise}-{port}")
        if len(name) <= MAX_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]  # 48 bits: no two of a fleet's million names meet
        return f"{instance[: MAX_NAME - 13]}-{digest}"


ALONE = Place()


def at(advertise: str) -> Place:
    """The place of a cluster that others find at `advertise`, an IP address."""
    if ipaddress.ip_address(advertise).is_unspecified:
        raise PlaceError(f"nobody can dial {advertise}: advertise an address or an interface of this machine")
    if any(advertise in addresses for addresses in own_addresses().values()):
        return Place(advertise, advertise, advertise, shared=True)
    six = ":" in advertise
    return Place("::" if six else "0.0.0.0", "::1" if six else HOST, advertise, shared=True)


def address_of(text: str) -> str:
    """The IP address that `text` (an address or an interface's name) stands for. Raises PlaceError."""
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    interfaces = own_addresses()
    if text not in interfaces:
        raise PlaceError(f"{text!r} is no IP address and no interface of this machine; it has {', '.join(interfaces)}")
    if not interfaces[text]:
        raise PlaceError(f"the interface {text} has no address that others could dial")
    return interfaces[text][0]


def own_addresses() -> dict[str, list[str]]:
    """Each interface's addresses, IPv4 first; without those that mean something on one link only."""
    found: dict[str, list[str]] = {}
    for name, addresses in psutil.net_if_addrs().items():
        usable = [one.address for one in addresses if one.family in (socket.AF_INET, socket.AF_INET6)]
        kept = [text for text in usable if "%" not in text and not ipaddress.ip_address(text).is_link_local]
        found[name] = sorted(kept, key=lambda text: ":" in text)
    return found


async def route_to(addresses: Sequence[tuple[str, int]]) -> str:
    """This machine's own address on the way to the first of these hosts that there is a way to. Raises PlaceError."""
    loop = asyncio.get_running_loop()
    reasons = []
    for host, port in addresses:
        try:
            for family, kind, _, _, target in await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
                with socket.socket(family, kind) as probe:
                    probe.connect(target)  # sends nothing: for UDP the kernel only looks up the route
                    return str(probe.getsockname()[0])
        except OSError as error:
            reasons.append(f"{format_address(host, port)}: {error.strerror or error}")
    raise PlaceError(f"no way to Consul: {'; '.join(reasons)}")
