"""What pricing speaks of. Money is whole cents, surge whole tenths: a price is never rounded twice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Supply:
    """Cars expected in a zone at an hour, and in the city's mean zone at that hour."""

    zone: str
    cars: float
    typical: float


@dataclass(frozen=True, slots=True)
class Quote:
    fare_cents: int
    metres: int
    surge_tenths: int
    zone: str | None
    hour: int


class BadRoute(Exception):
    """No fare can be told for what was asked."""
