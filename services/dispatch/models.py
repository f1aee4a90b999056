"""What dispatch speaks of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A driver and the distance to the pickup."""

    driver_id: str
    zone: str
    km: float


@dataclass(frozen=True, slots=True)
class Match:
    trip_id: str
    driver: Candidate


class NoDriver(Exception):
    """Nobody free is near enough."""


class DriverTaken(Exception):
    """Somebody else was faster."""


class TripOver(Exception):
    """The trip was released before."""
