"""The zones, out of the file that came with the service."""

from __future__ import annotations

import csv
from pathlib import Path

from services.drivers.models import Place, Zone

FILE = Path(__file__).parents[1] / "data" / "carshare-montreal.csv"


def load_zones(file: Path = FILE) -> list[Zone]:
    """Every line a zone, named Z001, Z002, ... in the file's order. Raises ValueError with the line that is wrong."""
    with file.open(newline="") as text:
        return [_zone(number, row) for number, row in enumerate(csv.DictReader(text), 1)]


def _zone(number: int, row: dict[str, str]) -> Zone:
    try:
        place = Place(float(row["centroid_lat"]), float(row["centroid_lon"]))
        zone = Zone(f"Z{number:03}", place, float(row["car_hours"]), int(row["peak_hour"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{FILE.name}, zone {number}: {error!r}") from error
    if zone.car_hours < 0 or not 0 <= zone.peak_hour <= 23:
        raise ValueError(f"{FILE.name}, zone {number}: car_hours or peak_hour out of range: {row}")
    return zone
