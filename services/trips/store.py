"""The trips in the service's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh.store import Database, Reader, Row, Tx
from services.trips.models import Order, Place, State, Trip

_TRIP = (
    "SELECT trip_id, rider_id, pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, hour, fare_cents, state, changed_at, "
    "driver_id, charge_id, released FROM trips"
)


def _trip(row: Row) -> Trip:
    order = Order(
        row["trip_id"],
        row["rider_id"],
        Place(row["pickup_lat"], row["pickup_lon"]),
        Place(row["dropoff_lat"], row["dropoff_lon"]),
        row["hour"],
        row["fare_cents"],
    )
    return Trip(
        order, State(row["state"]), row["changed_at"], row["driver_id"], row["charge_id"], bool(row["released"])
    )


class ReadTrips:
    """Fits `service.states.TripsView`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, trip_id: str) -> Trip | None:
        row = await self._reader.fetch_one(f"{_TRIP} WHERE trip_id = ?", (trip_id,))
        return _trip(row) if row else None


class SqlTrips(ReadTrips):
    """Fits `service.states.Trips`."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx)
        self._tx = tx

    async def add(self, trip: Trip) -> None:
        order = trip.order
        await self._tx.execute(
            "INSERT INTO trips (trip_id, rider_id, pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, hour, fare_cents, "
            "state, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.trip_id, order.rider_id, order.pickup.lat, order.pickup.lon, order.dropoff.lat, order.dropoff.lon,
                order.hour, order.fare_cents, int(trip.state), trip.changed_at,
            ),
        )  # fmt: skip

    async def put(self, trip: Trip) -> None:
        await self._tx.execute(
            "UPDATE trips SET state = ?, changed_at = ?, driver_id = ?, charge_id = ?, released = ? WHERE trip_id = ?",
            (int(trip.state), trip.changed_at, trip.driver_id, trip.charge_id, int(trip.released), trip.trip_id),
        )


class TripBook:
    """Fits `service.needs.Book`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def change(self) -> AsyncIterator[SqlTrips]:
        async with self._database.tx() as tx:
            yield SqlTrips(tx)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[ReadTrips]:
        async with self._database.read() as reader:
            yield ReadTrips(reader)

    async def unsettled(self, before: float, limit: int) -> list[Trip]:
        return await self._some("(state = 5 OR (released = 0 AND state IN (6, 7)))", before, limit)

    async def abandoned(self, before: float, limit: int) -> list[Trip]:
        return await self._some("state IN (1, 2, 3)", before, limit)

    async def _some(self, condition: str, before: float, limit: int) -> list[Trip]:
        async with self._database.read() as reader:
            rows = await reader.fetch_all(
                f"{_TRIP} WHERE {condition} AND changed_at <= ? ORDER BY changed_at LIMIT ?", (before, limit)
            )
        return [_trip(row) for row in rows]
