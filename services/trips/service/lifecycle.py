"""A trip from request to receipt, across services. No transaction is open while another service is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable

from services.trips.models import (
    ChargeConflict,
    FareChanged,
    NoDriver,
    NotNow,
    Order,
    State,
    Trip,
    TripOver,
    WrongState,
)
from services.trips.service import states
from services.trips.service.needs import Book, Dispatch, Fares
from services.trips.service.settling import Settling

log = logging.getLogger(__name__)


class Lifecycle:
    """Every method may be repeated, and called by several at once."""

    def __init__(
        self, book: Book, fares: Fares, dispatch: Dispatch, settling: Settling, now: Callable[[], float]
    ) -> None:
        self._book = book
        self._fares = fares
        self._dispatch = dispatch
        self._settling = settling
        self._now = now

    async def request(self, order: Order) -> Trip:
        """The trip with a driver. Raises TripConflict, BadRoute, FareChanged, NoDriver, WrongState (it expired).

        When dispatch fails otherwise the trip stays requested, and a repeat goes on from there.
        """
        trip = await self._enter(order)
        if trip.state is State.EXPIRED:
            raise WrongState(trip, "requested again")
        if trip.state not in states.OPEN:
            return trip
        try:
            driver_id = await self._dispatch.match(order)
        except NoDriver:
            trip = await self._left_unmatched(order.trip_id)
            if trip.driver_id is None:
                raise
            return trip
        except TripOver:
            raise WrongState(await self.get(order.trip_id), "requested again") from None
        async with self._book.change() as trips:
            trip = await states.matched(trips, order.trip_id, driver_id, self._now())
        if trip.state is State.EXPIRED:
            raise WrongState(trip, "matched")
        return trip

    async def _enter(self, order: Order) -> Trip:
        async with self._book.look() as view:
            trip = await states.known(view, order)
        if trip is not None:
            return trip
        fare_cents = await self._fares.fare_cents(order)
        if fare_cents != order.fare_cents:
            raise FareChanged(order.fare_cents, fare_cents)
        async with self._book.change() as trips:
            return await states.enter(trips, order, self._now())

    async def _left_unmatched(self, trip_id: str) -> Trip:
        async with self._book.change() as trips:
            return await states.unmatched(trips, trip_id, self._now())

    async def start(self, trip_id: str) -> Trip:
        """Raises UnknownTrip, WrongState."""
        async with self._book.change() as trips:
            return await states.start(trips, trip_id, self._now())

    async def finish(self, trip_id: str) -> Trip:
        """The trip, charged; or finished only, when that cannot be done now. Raises UnknownTrip, WrongState."""
        async with self._book.change() as trips:
            trip = await states.finish(trips, trip_id, self._now())
        try:
            return await self._settling.settle(trip)
        except NotNow as error:
            log.warning("trip %s is finished and not settled yet: %s", trip_id, error)
        except ChargeConflict as error:
            log.error("trip %s cannot be charged, somebody must look: %s", trip_id, error)
        return await self.get(trip_id)

    async def get(self, trip_id: str) -> Trip:
        """Raises UnknownTrip."""
        async with self._book.look() as view:
            return await states.find(view, trip_id)
