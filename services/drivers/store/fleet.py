"""Drivers and reservations in the service's own database."""

from __future__ import annotations

from collections.abc import Iterable

from mesh.store import Reader, Row, Tx
from services.drivers.models import Box, Driver, Place, Reservation, cell

_DRIVER = "SELECT driver_id, zone, lat, lon, duty, trip_id FROM drivers"


def _driver(row: Row) -> Driver:
    return Driver(row["driver_id"], row["zone"], Place(row["lat"], row["lon"]), row["duty"], row["trip_id"])


class ReadFleet:
    """Fits `service.fleet.FleetView`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def driver(self, driver_id: str) -> Driver | None:
        row = await self._reader.fetch_one(f"{_DRIVER} WHERE driver_id = ?", (driver_id,))
        return _driver(row) if row else None

    async def reservation(self, trip_id: str) -> Reservation | None:
        row = await self._reader.fetch_one(
            "SELECT trip_id, driver_id, released FROM reservations WHERE trip_id = ?", (trip_id,)
        )
        return Reservation(row["trip_id"], row["driver_id"], bool(row["released"])) if row else None

    async def free_in(self, box: Box, hour: int) -> list[Driver]:
        rows = await self._reader.fetch_all(
            f"{_DRIVER} WHERE trip_id IS NULL AND cell_lat BETWEEN ? AND ? AND cell_lon BETWEEN ? AND ? "
            "AND duty >> ? & 1",
            (box.first_lat, box.last_lat, box.first_lon, box.last_lon, hour),
        )
        return [_driver(row) for row in rows]


class SqlFleet(ReadFleet):
    """Fits `service.fleet.Fleet`."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx)
        self._tx = tx

    async def hold(self, trip_id: str, driver_id: str) -> None:
        await self._tx.execute("UPDATE drivers SET trip_id = ? WHERE driver_id = ?", (trip_id, driver_id))
        await self._tx.execute("INSERT INTO reservations (trip_id, driver_id) VALUES (?, ?)", (trip_id, driver_id))

    async def bury(self, trip_id: str) -> None:
        await self._tx.execute(
            "INSERT INTO reservations (trip_id, released) VALUES (?, 1) "
            "ON CONFLICT (trip_id) DO UPDATE SET released = 1",
            (trip_id,),
        )

    async def free(self, driver_id: str, place: Place) -> None:
        await self._tx.execute(
            "UPDATE drivers SET trip_id = NULL, lat = ?, lon = ?, cell_lat = ?, cell_lon = ? WHERE driver_id = ?",
            (place.lat, place.lon, *cell(place), driver_id),
        )

    async def hire(self, drivers: Iterable[Driver]) -> None:
        """Enters the drivers, if there are none yet."""
        if await self._tx.fetch_value("SELECT count(*) FROM drivers"):
            return
        for one in drivers:
            await self._tx.execute(
                "INSERT INTO drivers (driver_id, zone, lat, lon, cell_lat, cell_lon, duty) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.driver_id, one.zone, one.place.lat, one.place.lon, *cell(one.place), one.duty),
            )
