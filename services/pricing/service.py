"""The rules of a price: distance by tariff, times a surge that follows the supply at the pickup.

The same question gives the same answer, so that a fare that a rider has agreed to can be checked by asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Protocol

from services.distance import haversine_km
from services.pricing.models import BadRoute, Place, Quote, Supply

BASE_CENTS = 350
CENTS_PER_KM = 175
MINIMUM_CENTS = 600
MAX_KM = 100.0  # a taxi ride across the region; beyond it a coordinate is wrong
SURGE_MOST_TENTHS = 30  # three times the ordinary price, where riders accept no more


class SupplySource(Protocol):
    """Who knows how many cars there are."""

    async def supply(self, place: Place, hour: int) -> Supply:
        """Raises BadRoute for a place outside of the city."""
        ...


def surge_tenths(cars: float, typical: float) -> int:
    """1.0 where there are as many cars as in the mean zone or more, growing with the root of what is missing.

    The root, so that a quarter of the cars doubles the price: supply and demand both answer to a price.
    """
    if cars * SURGE_MOST_TENTHS**2 <= typical * 100:  # before dividing by next to nothing
        return SURGE_MOST_TENTHS
    return max(10, round(10 * sqrt(typical / cars)))


def fare_cents(metres: int, surge: int) -> int:
    """The fare for a distance in metres at a surge in tenths; half a cent is rounded up."""
    tenths_of_millicents = (BASE_CENTS * 1000 + CENTS_PER_KM * metres) * surge
    return max(MINIMUM_CENTS, (tenths_of_millicents + 5000) // 10_000)


def route_km(stops: Sequence[Place]) -> float:
    """From stop to stop as the crow flies."""
    return sum(haversine_km(a.lat, a.lon, b.lat, b.lon) for a, b in pairwise(stops))


class Pricing:
    """Quotes. `present_hour` gives the hour of the day (0-23) in the city."""

    def __init__(self, supply: SupplySource, present_hour: Callable[[], int]) -> None:
        self._supply = supply
        self._present_hour = present_hour

    async def quote(self, km: float | None, stops: Sequence[Place], hour: int | None) -> Quote:
        """Either `km` or two stops and more. Raises BadRoute."""
        metres = round(1000 * self._distance_km(km, stops))
        hour = self._present_hour() if hour is None else hour
        if not stops:
            return Quote(fare_cents(metres, 10), metres, 10, None, hour)
        supply = await self._supply.supply(stops[0], hour)
        surge = surge_tenths(supply.cars, supply.typical)
        return Quote(fare_cents(metres, surge), metres, surge, supply.zone, hour)

    def _distance_km(self, km: float | None, stops: Sequence[Place]) -> float:
        if (km is None) == (not stops):
            raise BadRoute("give either km or stops")
        if len(stops) == 1:
            raise BadRoute("a route has at least two stops, the pickup and the dropoff")
        distance = route_km(stops) if km is None else km
        if distance > MAX_KM:
            raise BadRoute(f"{distance:.1f} km is farther than we drive ({MAX_KM:.0f} km)")
        return distance
