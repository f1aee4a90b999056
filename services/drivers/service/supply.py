"""How many cars are where and when, and the drivers that follow from it. Pure: zones in, numbers out.

The data give a zone's mean over the month and its peak hour, and not the course of the day. The course is ours to
assume: a cosine around the peak, half of the mean up and down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, floor, pi

from services.distance import haversine_km
from services.drivers.models import Driver, OutOfArea, Place, Zone

HOURS_OF_MONTH = 730.0  # a year's 8760 in twelve parts
SWING = 0.5
AREA_KM = 5.0  # zones lie about 1 km apart; farther out than this nobody was seen


def cars(zone: Zone, hour: int) -> float:
    """Cars expected in the zone in that hour of the day."""
    mean = zone.car_hours / HOURS_OF_MONTH
    return mean * (1 + SWING * cos(2 * pi * (hour - zone.peak_hour) / 24))


class City:
    """The zones, and what follows from them. Raises ValueError without any."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        if not zones:
            raise ValueError("a city has at least one zone")
        self.zones = tuple(zones)
        self._typical = [sum(cars(zone, hour) for zone in zones) / len(zones) for hour in range(24)]

    def typical(self, hour: int) -> float:
        """Cars expected in the mean zone."""
        return self._typical[hour]

    def zone_at(self, place: Place) -> Zone:
        """The zone whose centre is nearest. Raises OutOfArea when that is farther than AREA_KM."""
        km, zone = min(
            ((haversine_km(place.lat, place.lon, zone.place.lat, zone.place.lon), zone) for zone in self.zones),
            key=lambda pair: pair[0],
        )
        if km > AREA_KM:
            raise OutOfArea(f"{km:.0f} km from the nearest zone; we drive within {AREA_KM:.0f} km")
        return zone

    def drivers(self) -> Iterator[Driver]:
        """One driver for each car at the zone's best hour; the first of a zone works most, the last at the peak only.

        In every hour as many are on duty, in the city and in each part of it, as there are cars, to within one.
        """
        duties: dict[tuple[str, int], int] = {}
        for hour in range(24):
            for zone, working in self._working(hour):
                for rank in range(working):
                    duties[zone.name, rank] = duties.get((zone.name, rank), 0) | 1 << hour
        places = {zone.name: zone.place for zone in self.zones}
        for (name, rank), duty in sorted(duties.items()):
            yield Driver(f"{name}-{rank + 1:02}", name, places[name], duty)

    def _working(self, hour: int) -> Iterator[tuple[Zone, int]]:
        # Rounding the running sum, not each zone: half of the zones have less than one car.
        total = 0.0
        for zone in self.zones:
            before = floor(total + 0.5)
            total += cars(zone, hour)
            yield zone, floor(total + 0.5) - before
