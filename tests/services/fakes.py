"""Data kept in memory that fits the rules' Protocols, and dependencies that fail when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from services.drivers.models import Box, Driver, Place, Reservation, cell
from services.payments.models import Charge
from services.trips import models as trips


class MemoryFleet:
    """Fits `drivers.service.fleet.Fleet`."""

    def __init__(self, drivers: list[Driver]) -> None:
        self.drivers = {driver.driver_id: driver for driver in drivers}
        self.reservations: dict[str, Reservation] = {}

    async def driver(self, driver_id: str) -> Driver | None:
        return self.drivers.get(driver_id)

    async def reservation(self, trip_id: str) -> Reservation | None:
        return self.reservations.get(trip_id)

    async def free_in(self, box: Box, hour: int) -> list[Driver]:
        def inside(driver: Driver) -> bool:
            lat, lon = cell(driver.place)
            return box.first_lat <= lat <= box.last_lat and box.first_lon <= lon <= box.last_lon

        return [one for one in self.drivers.values() if one.trip_id is None and one.duty >> hour & 1 and inside(one)]

    async def hold(self, trip_id: str, driver_id: str) -> None:
        self.drivers[driver_id] = replace(self.drivers[driver_id], trip_id=trip_id)
        self.reservations[trip_id] = Reservation(trip_id, driver_id)

    async def bury(self, trip_id: str) -> None:
        standing = self.reservations.get(trip_id, Reservation(trip_id, None))
        self.reservations[trip_id] = replace(standing, released=True)

    async def free(self, driver_id: str, place: Place) -> None:
        self.drivers[driver_id] = replace(self.drivers[driver_id], trip_id=None, place=place)


class MemoryCharges:
    """Fits `payments.service.Charges`."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}

    async def get(self, trip_id: str) -> Charge | None:
        return self.charges.get(trip_id)

    async def add(self, charge: Charge) -> None:
        assert charge.trip_id not in self.charges
        self.charges[charge.trip_id] = charge


class MemoryBook:
    """Fits `trips.service.needs.Book`; every transaction is whole, for nothing else runs inside of one."""

    def __init__(self) -> None:
        self.trips: dict[str, trips.Trip] = {}

    async def get(self, trip_id: str) -> trips.Trip | None:
        return self.trips.get(trip_id)

    async def add(self, trip: trips.Trip) -> None:
        assert trip.trip_id not in self.trips
        self.trips[trip.trip_id] = trip

    async def put(self, trip: trips.Trip) -> None:
        assert trip.trip_id in self.trips
        self.trips[trip.trip_id] = trip

    @asynccontextmanager
    async def change(self) -> AsyncIterator[MemoryBook]:
        yield self

    @asynccontextmanager
    async def look(self) -> AsyncIterator[MemoryBook]:
        yield self

    async def unsettled(self, before: float, limit: int) -> list[trips.Trip]:
        over = (trips.State.FINISHED, trips.State.CHARGED, trips.State.EXPIRED)
        return self._some(
            lambda trip: trip.state is trips.State.FINISHED or (trip.state in over and not trip.released), before, limit
        )

    async def abandoned(self, before: float, limit: int) -> list[trips.Trip]:
        return self._some(lambda trip: trip.state <= trips.State.MATCHED, before, limit)

    def _some(self, wanted, before: float, limit: int) -> list[trips.Trip]:
        found = [trip for trip in self.trips.values() if wanted(trip) and trip.changed_at <= before]
        return sorted(found, key=lambda trip: trip.changed_at)[:limit]
