"""What the gateway speaks of: what a client asked for, what it is told, and why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class QuoteAsked:
    """`hour` None asks for the present one."""

    pickup: Place
    dropoff: Place
    hour: int | None


@dataclass(frozen=True, slots=True)
class TripAsked:
    """`trip_id` None asks for a new one."""

    trip_id: str | None
    rider_id: str
    pickup: Place
    dropoff: Place
    hour: int
    fare_cents: int


@dataclass(frozen=True, slots=True)
class Quote:
    fare_cents: int
    currency: str
    km: float
    surge: float
    zone: str | None
    hour: int


@dataclass(frozen=True, slots=True)
class Trip:
    trip_id: str
    state: str
    fare_cents: int
    driver_id: str | None
    charge_id: str | None


class Refused(Exception):
    """The answer is no: `status` is HTTP's, `error` a name that programs can rely on, `details` go with it."""

    def __init__(self, status: int, error: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.details = details or {}
