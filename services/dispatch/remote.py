"""The fleet, which belongs to `drivers`."""

from __future__ import annotations

from idl import drivers, geo
from services.dispatch.models import Candidate, DriverTaken, Place, TripOver
from services.distance import haversine_km


class DriversFleet:
    """Fits `service.Fleet`."""

    def __init__(self, client: drivers.DriversClient) -> None:
        self._client = client

    async def nearest(self, place: Place, hour: int, km: float, limit: int) -> list[Candidate]:
        request = drivers.NearestRequest(place=_point(place), hour=hour, limit=limit, within_km=km)
        return [_candidate(driver, place) for driver in await self._client.nearest(request)]

    async def reserve(self, trip_id: str, driver_id: str, pickup: Place) -> Candidate:
        try:
            reservation = await self._client.reserve(trip_id, driver_id)
        except (drivers.DriverTaken, drivers.UnknownDriver) as error:
            raise DriverTaken(error.message) from error
        except drivers.TripOver as error:
            raise TripOver(error.message) from error
        return _candidate(reservation.driver, pickup)

    async def reserved(self, trip_id: str, pickup: Place) -> Candidate | None:
        found = await self._client.reservation(trip_id)
        return _candidate(found[0].driver, pickup) if found else None

    async def release(self, trip_id: str, place: Place) -> None:
        await self._client.release(trip_id, _point(place))


def _point(place: Place) -> geo.Point:
    return geo.Point(lat=place.lat, lon=place.lon)


def _candidate(driver: drivers.Driver, pickup: Place) -> Candidate:
    km = haversine_km(driver.place.lat, driver.place.lon, pickup.lat, pickup.lon)
    return Candidate(driver.driver_id, driver.zone, km)
