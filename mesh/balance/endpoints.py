"""Endpoints of one service and what is known of each.

One rule: an endpoint keeps its identity, and with it its connection and its history, for as long as its address stays
in the list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any


class Endpoint:
    """One `host:port` that serves a service.

    `avoid_until` (seconds of the clock) is a preference, not a ban: such an endpoint is chosen when there is no other.
    `link` belongs to the transport: what it needs to find the connection without looking it up. `refused()` is to be
    called when a connection is refused, for whoever keeps the list.
    """

    __slots__ = ("address", "avoid_until", "in_flight", "link", "meta", "refused", "suspect", "weight", "zone")

    def __init__(
        self,
        address: str,
        *,
        zone: str | None = None,
        weight: int = 1,
        meta: Mapping[str, str] | None = None,
        suspect: bool = False,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.refused = refused
        self.address = address
        self.zone = zone
        self.weight = weight
        self.meta: Mapping[str, str] = meta or {}
        self.suspect = suspect
        self.avoid_until = 0.0
        self.in_flight = 0
        self.link: Any = None

    def avoid(self, until: float) -> None:
        """Prefer others until then (it was busy, is draining or did not answer)."""
        self.avoid_until = max(self.avoid_until, until)

    def __repr__(self) -> str:
        return f"<Endpoint {self.address} {self.in_flight} in flight>"


async def _at_once() -> None:
    return None


class EndpointSet:
    """The endpoints of one service, in a stable order. `source` names who said so, for error messages."""

    def __init__(self, service: str, source: str, ready: Callable[[], Awaitable[None]] = _at_once) -> None:
        self.service = service
        self.source = source
        self.known = False
        self.ready = ready
        self.all: tuple[Endpoint, ...] = ()
        self._by_address: dict[str, Endpoint] = {}

    def update(self, now_there: Iterable[Endpoint]) -> None:
        """Takes the new list; an address that stays keeps its `Endpoint`, with zone, weight and meta renewed."""
        renewed: dict[str, Endpoint] = {}
        for fresh in now_there:
            endpoint = self._by_address.get(fresh.address, fresh)
            endpoint.zone, endpoint.weight = fresh.zone, fresh.weight
            endpoint.meta, endpoint.suspect, endpoint.refused = fresh.meta, fresh.suspect, fresh.refused
            renewed[fresh.address] = endpoint
        self._by_address = renewed
        self.all = tuple(renewed.values())
        self.known = True

    def at(self, address: str) -> Endpoint | None:
        """The endpoint at `address`, if it is in the list."""
        return self._by_address.get(address)

    def __len__(self) -> int:
        return len(self.all)
