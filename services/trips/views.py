"""Our trips as the contract's, and the contract's requests as our orders."""

from __future__ import annotations

from idl import trips
from services.trips.models import Order, Place, Trip


def to_order(request: trips.TripRequest) -> Order:
    pickup = Place(request.pickup.lat, request.pickup.lon)
    dropoff = Place(request.dropoff.lat, request.dropoff.lon)
    return Order(request.trip_id, request.rider_id, pickup, dropoff, request.hour, request.fare_cents)


def to_trip(trip: Trip) -> trips.Trip:
    return trips.Trip(
        trip_id=trip.trip_id,
        state=int(trip.state),
        fare_cents=trip.order.fare_cents,
        driver_id=trip.driver_id,
        charge_id=trip.charge_id,
    )
