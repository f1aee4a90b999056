"""Distances on the ground. Pure arithmetic, the one thing that the services share besides their contracts."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0088  # mean radius, IUGG 1980
KM_PER_DEGREE = EARTH_KM * radians(1)


def haversine_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """The great-circle distance of two places given in degrees (the haversine formula, Sinnott 1984)."""
    half_lat = sin(radians(other_lat - lat) / 2) ** 2
    half_lon = sin(radians(other_lon - lon) / 2) ** 2
    chord = half_lat + cos(radians(lat)) * cos(radians(other_lat)) * half_lon
    return 2 * EARTH_KM * asin(min(1.0, sqrt(chord)))
