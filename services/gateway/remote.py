"""The city behind the door, by RPC. A declared exception becomes the HTTP answer that it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from idl import geo, pricing, trips
from services.gateway.models import Place, Quote, QuoteAsked, Refused, Trip, TripAsked

STATES = {value: name.lower() for value, name in trips.TripState._VALUES_TO_NAMES.items()}


@contextmanager
def refusals() -> Iterator[None]:
    """Declared exceptions as `Refused`; every other failure passes."""
    try:
        yield
    except trips.UnknownTrip as error:
        raise Refused(404, "unknown_trip", error.message) from error
    except trips.WrongState as error:
        raise Refused(409, "wrong_state", error.message, {"state": STATES.get(error.state)}) from error
    except trips.TripConflict as error:
        raise Refused(409, "trip_conflict", error.message) from error
    except trips.FareChanged as error:
        raise Refused(409, "fare_changed", error.message, {"fare_cents": error.fare_cents}) from error
    except trips.NoDriver as error:
        raise Refused(409, "no_driver", error.message) from error
    except (trips.BadRoute, pricing.BadRoute) as error:
        raise Refused(422, "bad_route", error.message) from error


class City:
    """All raise Refused and MeshError."""

    def __init__(self, quotes: pricing.PricingClient, rides: trips.TripsClient) -> None:
        self._quotes = quotes
        self._trips = rides

    async def quote(self, asked: QuoteAsked) -> Quote:
        request = pricing.QuoteRequest(stops=[_point(asked.pickup), _point(asked.dropoff)], hour=asked.hour)
        with refusals():
            quote = await self._quotes.quote(request)
        return Quote(quote.fare_cents, "CAD", quote.km, quote.surge, quote.zone, quote.hour)

    async def request(self, trip_id: str, asked: TripAsked) -> Trip:
        request = trips.TripRequest(
            trip_id=trip_id,
            rider_id=asked.rider_id,
            pickup=_point(asked.pickup),
            dropoff=_point(asked.dropoff),
            hour=asked.hour,
            fare_cents=asked.fare_cents,
        )
        with refusals():
            return _trip(await self._trips.request(request))

    async def start(self, trip_id: str) -> Trip:
        with refusals():
            return _trip(await self._trips.start(trip_id))

    async def finish(self, trip_id: str) -> Trip:
        with refusals():
            return _trip(await self._trips.finish(trip_id))

    async def get(self, trip_id: str) -> Trip:
        with refusals():
            return _trip(await self._trips.get(trip_id))


def _point(place: Place) -> geo.Point:
    return geo.Point(lat=place.lat, lon=place.lon)


def _trip(trip: trips.Trip) -> Trip:
    return Trip(trip.trip_id, STATES[trip.state], trip.fare_cents, trip.driver_id, trip.charge_id)
