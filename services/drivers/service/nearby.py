"""Who is near, over a grid: places fall into cells, and only the cells that a circle touches are looked at.

The grid is a rule, not a structure: the store keeps each driver's cell in an index, so that nearness and
reservations are read from one transaction and can never disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, radians

from services.distance import KM_PER_DEGREE, haversine_km
from services.drivers.models import Box, Driver, Place, cell


def box_around(place: Place, km: float) -> Box:
    """Every cell that a circle touches, and some more. Cities do not lie on a pole or on the date line."""
    up = km / KM_PER_DEGREE
    widest = max(abs(place.lat - up), abs(place.lat + up))  # a degree of longitude is shortest there
    aside = up / max(0.01, cos(radians(min(widest, 89.0))))
    first_lat, first_lon = cell(Place(place.lat - up, place.lon - aside))
    last_lat, last_lon = cell(Place(place.lat + up, place.lon + aside))
    return Box(first_lat, last_lat, first_lon, last_lon)


def nearest(drivers: Iterable[Driver], place: Place, km: float, limit: int) -> list[tuple[float, Driver]]:
    """The nearest within `km`, with their distances; equal distances in the order of their ids."""
    ranked = sorted(
        ((haversine_km(place.lat, place.lon, one.place.lat, one.place.lon), one) for one in drivers),
        key=lambda pair: (pair[0], pair[1].driver_id),
    )
    return [(away, one) for away, one in ranked if away <= km][:limit]
