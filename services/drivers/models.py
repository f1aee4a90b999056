"""What drivers speak of: zones, places and who has whom."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

CELL_DEGREES = 0.01  # 1.1 km by 0.8 km here: about one zone


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Box:
    """Cells of the grid from first to last, both included."""

    first_lat: int
    last_lat: int
    first_lon: int
    last_lon: int


def cell(place: Place) -> tuple[int, int]:
    """The cell of the grid that the place lies in."""
    return floor(place.lat / CELL_DEGREES), floor(place.lon / CELL_DEGREES)


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as observed: its centre, the hours of cars in a month, the hour when most are there (0-23)."""

    name: str
    place: Place
    car_hours: float
    peak_hour: int


@dataclass(frozen=True, slots=True)
class Driver:
    """`duty` has bit h set when the driver works in hour h; `trip_id` is the trip that has the driver now."""

    driver_id: str
    zone: str
    place: Place
    duty: int
    trip_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A trip's driver. `driver_id` is None for a trip that was released before it had one."""

    trip_id: str
    driver_id: str | None
    released: bool = False


class OutOfArea(Exception):
    """The place is too far from every zone."""


class UnknownDriver(Exception):
    def __init__(self, driver_id: str) -> None:
        super().__init__(f"there is no driver {driver_id}")


class DriverTaken(Exception):
    def __init__(self, driver_id: str) -> None:
        super().__init__(f"driver {driver_id} is on another trip")
        self.driver_id = driver_id


class TripOver(Exception):
    def __init__(self, trip_id: str) -> None:
        super().__init__(f"trip {trip_id} was released and gets no driver any more")
