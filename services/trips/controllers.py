"""Trips' side of the wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from idl import trips
from services.trips.models import BadRoute, FareChanged, NoDriver, TripConflict, UnknownTrip, WrongState
from services.trips.service.lifecycle import Lifecycle
from services.trips.views import to_order, to_trip


@contextmanager
def told() -> Iterator[None]:
    """Our exceptions as the contract's."""
    try:
        yield
    except UnknownTrip as error:
        raise trips.UnknownTrip(message=str(error)) from error
    except WrongState as error:
        raise trips.WrongState(message=str(error), state=int(error.state)) from error
    except TripConflict as error:
        raise trips.TripConflict(message=str(error)) from error
    except FareChanged as error:
        raise trips.FareChanged(message=str(error), fare_cents=error.fare_cents) from error
    except NoDriver as error:
        raise trips.NoDriver(message=str(error)) from error
    except BadRoute as error:
        raise trips.BadRoute(message=str(error)) from error


class TripsController:
    """Serves `trips.Trips`."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    async def request(self, request: trips.TripRequest) -> trips.Trip:
        with told():
            return to_trip(await self._lifecycle.request(to_order(request)))

    async def start(self, trip_id: str) -> trips.Trip:
        with told():
            return to_trip(await self._lifecycle.start(trip_id))

    async def finish(self, trip_id: str) -> trips.Trip:
        with told():
            return to_trip(await self._lifecycle.finish(trip_id))

    async def get(self, trip_id: str) -> trips.Trip:
        with told():
            return to_trip(await self._lifecycle.get(trip_id))
