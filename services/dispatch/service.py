"""The rule of a match: the nearest free driver, and the next one when another trip was faster."""

from __future__ import annotations

from typing import Protocol

from services.dispatch.models import Candidate, DriverTaken, Match, NoDriver, Place

REACH_KM = 3.0  # about ten minutes of city traffic: nobody waits longer
CANDIDATES = 5
# When all candidates were taken meanwhile, others may be free. More rounds than this outlast a rider's patience.
ROUNDS = 3


class Fleet(Protocol):
    """Who knows the drivers and may keep one for a trip."""

    async def nearest(self, place: Place, hour: int, km: float, limit: int) -> list[Candidate]:
        """Free ones, nearest first."""
        ...

    async def reserve(self, trip_id: str, driver_id: str, pickup: Place) -> Candidate:
        """The driver that the trip has from now on: this one, or the one it had. Raises DriverTaken, TripOver."""
        ...

    async def reserved(self, trip_id: str, pickup: Place) -> Candidate | None: ...
    async def release(self, trip_id: str, place: Place) -> None: ...


async def match(fleet: Fleet, trip_id: str, pickup: Place, hour: int) -> Match:
    """A driver kept for the trip; the same one however often it is asked. Raises NoDriver, TripOver."""
    for _ in range(ROUNDS):
        candidates = await fleet.nearest(pickup, hour, REACH_KM, CANDIDATES)
        for candidate in candidates:
            try:
                return Match(trip_id, await fleet.reserve(trip_id, candidate.driver_id, pickup))
            except DriverTaken:
                continue
        if len(candidates) < CANDIDATES:
            break
    # Nobody is free, which does not say that the trip has nobody: it may be a repeat.
    held = await fleet.reserved(trip_id, pickup)
    if held is None:
        raise NoDriver(f"nobody on duty at {hour}:00 is free within {REACH_KM:.0f} km")
    return Match(trip_id, held)
