"""What follows once a trip is over: it is charged and its driver set free. Each as often as it takes, once in effect.

Payments and dispatch keep a trip's id as the key, so that asking again, after a time-out, a crash, or from two places
at once, changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from services.trips.models import ChargeConflict, NotNow, State, Trip
from services.trips.service import states
from services.trips.service.needs import Book, Dispatch, Payments

log = logging.getLogger(__name__)

BATCH = 100  # trips a round; a round is short beside the pause between two
# A trip that was just finished is being settled by its own call.
SETTLE_AFTER_S = 2.0
# Longer than a rider waits at the kerb, short enough that a driver is not lost for a shift.
EXPIRE_AFTER_S = 900.0


class Settling:
    """`now` gives seconds since 1970: times outlive the process."""

    def __init__(self, book: Book, dispatch: Dispatch, payments: Payments, now: Callable[[], float]) -> None:
        self._book = book
        self._dispatch = dispatch
        self._payments = payments
        self._now = now

    async def settle(self, trip: Trip) -> Trip:
        """Does what is still to be done for a trip that is over. Raises NotNow, ChargeConflict."""
        if trip.state is State.FINISHED:
            charge_id = await self._payments.charge(trip.order)
            async with self._book.change() as trips:
                trip = await states.charged(trips, trip.trip_id, charge_id, self._now())
        if not trip.released:
            place = trip.order.pickup if trip.state is State.EXPIRED else trip.order.dropoff
            await self._dispatch.release(trip.trip_id, place)
            async with self._book.change() as trips:
                trip = await states.released(trips, trip.trip_id)
        return trip

    async def sweep(self, settle_after_s: float = SETTLE_AFTER_S) -> int:
        """Settles what was left over, expires what was abandoned; the number of trips now settled."""
        for trip in await self._book.abandoned(self._now() - EXPIRE_AFTER_S, BATCH):
            async with self._book.change() as trips:
                await states.expire(trips, trip.trip_id, self._now())
        settled = 0
        for trip in await self._book.unsettled(self._now() - settle_after_s, BATCH):
            try:
                await self.settle(trip)
                settled += 1
            except NotNow as error:
                log.warning("trip %s is not settled yet: %s", trip.trip_id, error)
            except ChargeConflict as error:
                log.error("trip %s cannot be charged, somebody must look: %s", trip.trip_id, error)
        return settled
