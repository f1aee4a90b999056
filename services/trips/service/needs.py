"""What the rules of a trip need from others, as they see it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.trips.models import Order, Place, Trip
from services.trips.service.states import Trips, TripsView


class Book(Protocol):
    """The trips' own data."""

    def change(self) -> AbstractAsyncContextManager[Trips]:
        """One transaction."""
        ...

    def look(self) -> AbstractAsyncContextManager[TripsView]:
        """One moment."""
        ...

    async def unsettled(self, before: float, limit: int) -> list[Trip]:
        """Those over and not yet charged and released, unchanged since `before`, oldest first."""
        ...

    async def abandoned(self, before: float, limit: int) -> list[Trip]:
        """Those neither started nor expired, unchanged since `before`, oldest first."""
        ...


class Fares(Protocol):
    async def fare_cents(self, order: Order) -> int:
        """Raises BadRoute."""
        ...


class Dispatch(Protocol):
    async def match(self, order: Order) -> str:
        """The id of the driver kept for the trip. Raises NoDriver, TripOver."""
        ...

    async def release(self, trip_id: str, place: Place) -> None:
        """Raises NotNow."""
        ...


class Payments(Protocol):
    async def charge(self, order: Order) -> str:
        """The id of the trip's charge. Raises NotNow, ChargeConflict."""
        ...
