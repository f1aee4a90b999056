"""Our drivers and zones as the contract's."""

from __future__ import annotations

from idl import drivers, geo
from services.drivers.models import Driver, Zone


def to_driver(driver: Driver, km: float | None = None) -> drivers.Driver:
    place = geo.Point(lat=driver.place.lat, lon=driver.place.lon)
    return drivers.Driver(driver_id=driver.driver_id, zone=driver.zone, place=place, km=km)


def to_reservation(trip_id: str, driver: Driver) -> drivers.Reservation:
    return drivers.Reservation(trip_id=trip_id, driver=to_driver(driver))


def to_supply(zone: Zone, cars: float, typical: float) -> drivers.Supply:
    return drivers.Supply(zone=zone.name, cars=cars, typical=typical)
