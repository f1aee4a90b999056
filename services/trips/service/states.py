"""Which change of a trip is allowed when. Each rule runs in one transaction, which it gets as an argument.

Every rule is safe to repeat: what has already happened is answered with the trip as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from services.trips.models import Order, State, Trip, TripConflict, UnknownTrip, WrongState

OPEN = (State.REQUESTED, State.UNMATCHED)
OVER = (State.FINISHED, State.CHARGED)


class TripsView(Protocol):
    """The trips, as of one moment."""

    async def get(self, trip_id: str) -> Trip | None: ...


class Trips(TripsView, Protocol):
    """The trips, within one transaction."""

    async def add(self, trip: Trip) -> None: ...
    async def put(self, trip: Trip) -> None:
        """Writes state, driver, charge, release and time of a trip that is there."""
        ...


async def find(trips: TripsView, trip_id: str) -> Trip:
    """Raises UnknownTrip."""
    trip = await trips.get(trip_id)
    if trip is None:
        raise UnknownTrip(trip_id)
    return trip


async def known(trips: TripsView, order: Order) -> Trip | None:
    """The trip that the order stands for, if it was made before. Raises TripConflict."""
    trip = await trips.get(order.trip_id)
    if trip is not None and trip.order != order:
        raise TripConflict(order.trip_id)
    return trip


async def enter(trips: Trips, order: Order, now: float) -> Trip:
    """The order as a trip. Raises TripConflict."""
    trip = await known(trips, order)
    if trip is None:
        trip = Trip(order, State.REQUESTED, now)
        await trips.add(trip)
    return trip


async def matched(trips: Trips, trip_id: str, driver_id: str, now: float) -> Trip:
    """The trip has a driver. A trip that went on or expired meanwhile stays what it is."""
    trip = await find(trips, trip_id)
    if trip.state not in OPEN:
        return trip
    return await _put(trips, replace(trip, state=State.MATCHED, driver_id=driver_id, changed_at=now))


async def unmatched(trips: Trips, trip_id: str, now: float) -> Trip:
    """Nobody could be found. A trip that another request has matched meanwhile stays matched."""
    trip = await find(trips, trip_id)
    if trip.state is not State.REQUESTED:
        return trip
    return await _put(trips, replace(trip, state=State.UNMATCHED, changed_at=now))


async def start(trips: Trips, trip_id: str, now: float) -> Trip:
    """Raises UnknownTrip, WrongState."""
    trip = await find(trips, trip_id)
    if trip.state is State.STARTED or trip.state in OVER:
        return trip
    if trip.state is not State.MATCHED:
        raise WrongState(trip, "started")
    return await _put(trips, replace(trip, state=State.STARTED, changed_at=now))


async def finish(trips: Trips, trip_id: str, now: float) -> Trip:
    """Raises UnknownTrip, WrongState."""
    trip = await find(trips, trip_id)
    if trip.state in OVER:
        return trip
    if trip.state is not State.STARTED:
        raise WrongState(trip, "finished")
    return await _put(trips, replace(trip, state=State.FINISHED, changed_at=now))


async def charged(trips: Trips, trip_id: str, charge_id: str, now: float) -> Trip:
    trip = await find(trips, trip_id)
    if trip.state is not State.FINISHED:
        return trip
    return await _put(trips, replace(trip, state=State.CHARGED, charge_id=charge_id, changed_at=now))


async def released(trips: Trips, trip_id: str) -> Trip:
    return await _put(trips, replace(await find(trips, trip_id), released=True))


async def expire(trips: Trips, trip_id: str, now: float) -> Trip:
    """Gives up a trip that was never started; any other stays what it is."""
    trip = await find(trips, trip_id)
    if trip.state not in (*OPEN, State.MATCHED):
        return trip
    return await _put(trips, replace(trip, state=State.EXPIRED, changed_at=now))


async def _put(trips: Trips, trip: Trip) -> Trip:
    await trips.put(trip)
    return trip
