"""A trip and its states. Money is whole cents."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: float
    lon: float


class State(enum.IntEnum):
    """Numbers are the contract's (`trips.TripState`) and the database's."""

    REQUESTED = 1
    UNMATCHED = 2
    MATCHED = 3
    STARTED = 4
    FINISHED = 5
    CHARGED = 6
    EXPIRED = 7


@dataclass(frozen=True, slots=True)
class Order:
    """What a rider asked for; the same id with another content is another trip."""

    trip_id: str
    rider_id: str
    pickup: Place
    dropoff: Place
    hour: int
    fare_cents: int


@dataclass(frozen=True, slots=True)
class Trip:
    """`released` says that the driver is known to be free again. `changed_at` is in seconds since 1970."""

    order: Order
    state: State
    changed_at: float
    driver_id: str | None = None
    charge_id: str | None = None
    released: bool = False

    @property
    def trip_id(self) -> str:
        return self.order.trip_id


class UnknownTrip(Exception):
    def __init__(self, trip_id: str) -> None:
        super().__init__(f"there is no trip {trip_id}")


class WrongState(Exception):
    """The trip's state does not allow it."""

    def __init__(self, trip: Trip, wanted: str) -> None:
        super().__init__(f"trip {trip.trip_id} is {trip.state.name.lower()}, it cannot be {wanted}")
        self.state = trip.state


class TripConflict(Exception):
    def __init__(self, trip_id: str) -> None:
        super().__init__(f"trip {trip_id} was requested before with another content; choose a new id")


class FareChanged(Exception):
    def __init__(self, agreed_cents: int, fare_cents: int) -> None:
        super().__init__(f"the fare is {fare_cents} cents, not {agreed_cents}")
        self.fare_cents = fare_cents


class NoDriver(Exception):
    """Nobody can take the trip now."""


class BadRoute(Exception):
    """No fare can be told for the route."""


class TripOver(Exception):
    """Dispatch says that the trip was released before."""


class NotNow(Exception):
    """Another service cannot be asked now; what was asked may or may not have been done there."""


class ChargeConflict(Exception):
    """The trip was charged before with another amount: a bug, for people to look at."""
