from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distance import haversine_km
from services.pricing.models import BadRoute, Place, Supply
from services.pricing.service import MINIMUM_CENTS, Pricing, fare_cents, surge_tenths

OLD_PORT = Place(45.5048, -73.5538)
OLYMPIC_STADIUM = Place(45.5579, -73.5515)


class FixedSupply:
    """Fits `service.SupplySource`."""

    def __init__(self, cars: float, typical: float) -> None:
        self.supply_told = Supply("Z001", cars, typical)
        self.asked: list[tuple[Place, int]] = []

    async def supply(self, place: Place, hour: int) -> Supply:
        self.asked.append((place, hour))
        return self.supply_told


def test_a_known_distance() -> None:
    # One degree of a great circle on a sphere of 6371.0088 km.
    assert haversine_km(0, 0, 1, 0) == pytest.approx(111.195, abs=0.001)
    assert haversine_km(45, 10, 45, 10) == 0
    assert haversine_km(0, 0, 0, 180) == pytest.approx(20015.1, abs=0.1)


@pytest.mark.parametrize(
    ("metres", "surge", "cents"),
    [
        (0, 10, MINIMUM_CENTS),
        (10_000, 10, 350 + 1750),
        (10_000, 20, 2 * (350 + 1750)),
        (10_002, 10, 2100),  # 2100.35 cents
        (10_003, 10, 2101),  # 2100.525 cents
        (2_000, 15, 1050),
    ],
)
def test_fares(metres: int, surge: int, cents: int) -> None:
    assert fare_cents(metres, surge) == cents


@pytest.mark.parametrize(
    ("cars", "surge"), [(8.0, 10), (2.0, 10), (1.99, 10), (0.5, 20), (0.25, 28), (0.2, 30), (0.001, 30), (0.0, 30)]
)
def test_surge_follows_the_supply(cars: float, surge: int) -> None:
    assert surge_tenths(cars, 2.0) == surge


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 100))
def test_fewer_cars_are_never_cheaper(cars: float, more: float, typical: float) -> None:
    assert surge_tenths(cars, typical) >= surge_tenths(cars + more, typical)


async def test_a_quote_by_place() -> None:
    supply = FixedSupply(cars=0.5, typical=2.0)
    quote = await Pricing(supply, lambda: 7).quote(None, [OLD_PORT, OLYMPIC_STADIUM], 18)
    assert supply.asked == [(OLD_PORT, 18)]
    assert (quote.metres, quote.surge_tenths, quote.zone, quote.hour) == (5907, 20, "Z001", 18)
    assert quote.fare_cents == fare_cents(5907, 20)


async def test_a_quote_by_distance_asks_nobody() -> None:
    supply = FixedSupply(0.5, 2.0)
    quote = await Pricing(supply, lambda: 7).quote(12.5, [], None)
    assert supply.asked == []
    assert (quote.fare_cents, quote.surge_tenths, quote.hour) == (350 + 2188, 10, 7)


@pytest.mark.parametrize(
    ("km", "stops", "reason"),
    [
        (None, [], "either"),
        (1.0, [OLD_PORT, OLYMPIC_STADIUM], "either"),
        (None, [OLD_PORT], "two stops"),
        (100.1, [], "farther"),
        (None, [OLD_PORT, Place(0, 0)], "farther"),
    ],
)
async def test_bad_routes(km: float | None, stops: list[Place], reason: str) -> None:
    with pytest.raises(BadRoute, match=reason):
        await Pricing(FixedSupply(1, 1), lambda: 7).quote(km, stops, 8)
