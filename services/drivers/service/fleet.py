"""The rules of reserving: a driver is on one trip at most, a trip has one driver at most, and never again once over."""

from __future__ import annotations

from typing import Protocol

from services.drivers.models import Box, Driver, DriverTaken, Place, Reservation, TripOver, UnknownDriver
from services.drivers.service.nearby import box_around
from services.drivers.service.nearby import nearest as rank

FIRST_KM = 0.75  # about the distance of two zones: some five drivers on an ordinary night


class FleetView(Protocol):
    """Drivers and reservations, as of one moment."""

    async def driver(self, driver_id: str) -> Driver | None: ...
    async def reservation(self, trip_id: str) -> Reservation | None: ...
    async def free_in(self, box: Box, hour: int) -> list[Driver]:
        """Those on duty at that hour and on no trip."""
        ...


class Fleet(FleetView, Protocol):
    """Drivers and reservations, within one transaction."""

    async def hold(self, trip_id: str, driver_id: str) -> None: ...
    async def bury(self, trip_id: str) -> None:
        """Marks the trip as over, whether it had a driver or not."""
        ...

    async def free(self, driver_id: str, place: Place) -> None: ...


async def nearest(fleet: FleetView, place: Place, hour: int, km: float, limit: int) -> list[tuple[float, Driver]]:
    """Free drivers on duty within `km`, nearest first. Looks in a small circle first: there are mostly enough in it."""
    reach = min(FIRST_KM, km)
    while True:
        found = rank(await fleet.free_in(box_around(place, reach), hour), place, reach, limit)
        if len(found) == limit or reach >= km:
            return found
        reach = min(2 * reach, km)


async def reserve(fleet: Fleet, trip_id: str, driver_id: str) -> Driver:
    """The trip's driver: the one asked for, or the one that it has. Raises TripOver, UnknownDriver, DriverTaken."""
    held = await held_by(fleet, trip_id)
    if held is not None:
        return held
    driver = await fleet.driver(driver_id)
    if driver is None:
        raise UnknownDriver(driver_id)
    if driver.trip_id is not None:
        raise DriverTaken(driver_id)
    await fleet.hold(trip_id, driver_id)
    return driver


async def held_by(fleet: FleetView, trip_id: str) -> Driver | None:
    """The trip's driver, or None. Raises TripOver."""
    standing = await fleet.reservation(trip_id)
    if standing is None:
        return None
    if standing.released or standing.driver_id is None:
        raise TripOver(trip_id)
    return await fleet.driver(standing.driver_id)


async def release(fleet: Fleet, trip_id: str, place: Place) -> None:
    """Ends the trip's hold for good, also one that is still on its way: a late reservation finds the trip over."""
    standing = await fleet.reservation(trip_id)
    if standing is not None and standing.released:
        return
    await fleet.bury(trip_id)
    if standing is not None and standing.driver_id is not None:
        await fleet.free(standing.driver_id, place)
