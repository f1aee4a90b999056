"""Drivers' side of the wire: a transaction around each rule, a snapshot around each question."""

from __future__ import annotations

from idl import drivers, geo
from mesh.store import Database
from services.drivers.models import DriverTaken, OutOfArea, Place, TripOver, UnknownDriver
from services.drivers.service import fleet
from services.drivers.service.supply import City, cars
from services.drivers.store.fleet import ReadFleet, SqlFleet
from services.drivers.views import to_driver, to_reservation, to_supply


class DriversController:
    """Serves `drivers.Drivers`."""

    def __init__(self, database: Database, city: City) -> None:
        self._database = database
        self._city = city

    async def supply(self, request: drivers.SupplyRequest) -> drivers.Supply:
        try:
            zone = self._city.zone_at(Place(request.place.lat, request.place.lon))
        except OutOfArea as error:
            raise drivers.OutOfArea(message=str(error)) from error
        return to_supply(zone, cars(zone, request.hour), self._city.typical(request.hour))

    async def nearest(self, request: drivers.NearestRequest) -> list[drivers.Driver]:
        place = Place(request.place.lat, request.place.lon)
        async with self._database.read() as reader:
            found = await fleet.nearest(ReadFleet(reader), place, request.hour, request.within_km, request.limit)
        return [to_driver(driver, km) for km, driver in found]

    async def reserve(self, trip_id: str, driver_id: str) -> drivers.Reservation:
        try:
            async with self._database.tx() as tx:
                driver = await fleet.reserve(SqlFleet(tx), trip_id, driver_id)
        except DriverTaken as error:
            raise drivers.DriverTaken(message=str(error), driver_id=error.driver_id) from error
        except UnknownDriver as error:
            raise drivers.UnknownDriver(message=str(error)) from error
        except TripOver as error:
            raise drivers.TripOver(message=str(error)) from error
        return to_reservation(trip_id, driver)

    async def reservation(self, trip_id: str) -> list[drivers.Reservation]:
        try:
            async with self._database.read() as reader:
                driver = await fleet.held_by(ReadFleet(reader), trip_id)
        except TripOver:
            return []
        return [to_reservation(trip_id, driver)] if driver else []

    async def release(self, trip_id: str, place: geo.Point) -> None:
        async with self._database.tx() as tx:
            await fleet.release(SqlFleet(tx), trip_id, Place(place.lat, place.lon))
