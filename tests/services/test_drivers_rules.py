from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from fakes import MemoryFleet
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.store import Store
from services.distance import haversine_km
from services.drivers.models import Driver, DriverTaken, OutOfArea, Place, TripOver, UnknownDriver, Zone, cell
from services.drivers.service import fleet as rules
from services.drivers.service.nearby import box_around, nearest
from services.drivers.service.supply import City, cars
from services.drivers.store.fleet import SqlFleet
from services.drivers.store.zones import load_zones

ALWAYS = (1 << 24) - 1
CENTRE = Place(45.52, -73.6)
DRIVERS = [
    Driver("d1", "Z1", Place(45.521, -73.6), ALWAYS),
    Driver("d2", "Z1", Place(45.523, -73.6), ALWAYS),
    Driver("d3", "Z2", Place(45.53, -73.6), 1 << 8),
    Driver("far", "Z3", Place(45.6, -73.6), ALWAYS),
]
MIGRATIONS = Path(rules.__file__).parents[1] / "migrations"


@pytest.fixture(params=["memory", "sql"])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path):
    """The same rules over a fake and over the real store."""
    if request.param == "memory":
        yield MemoryFleet(DRIVERS)
        return
    async with Store.open(tmp_path / "drivers.db", owner="drivers", migrations=MIGRATIONS) as store, store.tx() as tx:
        await SqlFleet(tx).hire(DRIVERS)
        yield SqlFleet(tx)


async def ids(fleet: rules.FleetView, hour: int = 8, km: float = 3.0, limit: int = 5) -> list[str]:
    return [driver.driver_id for _, driver in await rules.nearest(fleet, CENTRE, hour, km, limit)]


async def test_the_nearest_come_first_and_only_who_is_on_duty(fleet: rules.Fleet) -> None:
    assert await ids(fleet) == ["d1", "d2", "d3"]
    assert await ids(fleet, hour=9) == ["d1", "d2"]
    assert await ids(fleet, limit=1) == ["d1"]
    assert await ids(fleet, km=20) == ["d1", "d2", "d3", "far"]
    assert await ids(fleet, km=0.01) == []


async def test_a_reserved_driver_is_nobody_elses(fleet: rules.Fleet) -> None:
    assert (await rules.reserve(fleet, "t1", "d1")).driver_id == "d1"
    assert await ids(fleet) == ["d2", "d3"]
    with pytest.raises(DriverTaken, match="d1"):
        await rules.reserve(fleet, "t2", "d1")
    assert await rules.held_by(fleet, "t2") is None


async def test_a_repeat_answers_the_driver_that_the_trip_has(fleet: rules.Fleet) -> None:
    await rules.reserve(fleet, "t1", "d1")
    assert (await rules.reserve(fleet, "t1", "d2")).driver_id == "d1"
    assert await ids(fleet) == ["d2", "d3"]


async def test_an_unknown_driver(fleet: rules.Fleet) -> None:
    with pytest.raises(UnknownDriver, match="nobody"):
        await rules.reserve(fleet, "t1", "nobody")


async def test_a_released_driver_is_free_where_the_trip_ended(fleet: rules.Fleet) -> None:
    await rules.reserve(fleet, "t1", "far")
    for _ in range(2):  # a repeat does no harm
        await rules.release(fleet, "t1", CENTRE)
    assert (await ids(fleet))[0] == "far"


async def test_releasing_twice_frees_nobody_elses_driver(fleet: rules.Fleet) -> None:
    await rules.reserve(fleet, "t1", "d1")
    await rules.release(fleet, "t1", CENTRE)
    await rules.reserve(fleet, "t2", "d1")
    await rules.release(fleet, "t1", CENTRE)
    held = await rules.held_by(fleet, "t2")
    assert held is not None
    assert held.driver_id == "d1"
    assert "d1" not in await ids(fleet)


async def test_a_trip_that_is_over_gets_no_driver_again(fleet: rules.Fleet) -> None:
    await rules.reserve(fleet, "t1", "d1")
    await rules.release(fleet, "t1", CENTRE)
    with pytest.raises(TripOver):
        await rules.reserve(fleet, "t1", "d2")


async def test_a_reservation_that_comes_after_the_release_finds_the_trip_over(fleet: rules.Fleet) -> None:
    await rules.release(fleet, "t1", CENTRE)
    with pytest.raises(TripOver):
        await rules.reserve(fleet, "t1", "d1")
    assert "d1" in await ids(fleet)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.floats(45.3, 45.7), st.floats(-73.9, -73.4)), max_size=40),
    st.tuples(st.floats(45.4, 45.6), st.floats(-73.8, -73.5)),
    st.floats(0, 20),
)
def test_the_grid_misses_nobody(places: list[tuple[float, float]], centre: tuple[float, float], km: float) -> None:
    """Against looking at everybody."""
    drivers = [Driver(f"{number:03}", "Z", Place(*place), ALWAYS) for number, place in enumerate(places)]
    box = box_around(Place(*centre), km)
    looked_at = [
        one
        for one in drivers
        if box.first_lat <= cell(one.place)[0] <= box.last_lat and box.first_lon <= cell(one.place)[1] <= box.last_lon
    ]
    everybody = sorted((haversine_km(*centre, one.place.lat, one.place.lon), one.driver_id) for one in drivers)
    expected = [(away, name) for away, name in everybody if away <= km]
    found = nearest(looked_at, Place(*centre), km, 100)
    assert [(away, one.driver_id) for away, one in found] == expected


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(45.4, 45.6), st.floats(-73.8, -73.5)), max_size=40),
    st.tuples(st.floats(45.45, 45.55), st.floats(-73.7, -73.6)),
    st.floats(0, 20),
    st.integers(1, 10),
)
async def test_growing_circles_find_the_same_as_one_look(
    places: list[tuple[float, float]], centre: tuple[float, float], km: float, limit: int
) -> None:
    drivers = [Driver(f"{number:03}", "Z", Place(*place), ALWAYS) for number, place in enumerate(places)]
    found = await rules.nearest(MemoryFleet(drivers), Place(*centre), 8, km, limit)
    assert found == nearest(drivers, Place(*centre), km, limit)


def test_the_zones_are_the_files() -> None:
    zones = load_zones()
    assert len(zones) == 249
    assert zones[0] == Zone("Z001", Place(45.471548505146174, -73.58868408217266), 1772.7499999995052, 2)


@pytest.mark.parametrize("line", ["x,1,1,1", "45,-73,-1,1", "45,-73,1,24", "45,-73,1"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "zones.csv"
    file.write_text(f"centroid_lat,centroid_lon,car_hours,peak_hour\n45,-73,10,5\n{line}\n")
    with pytest.raises(ValueError, match="zone 2"):
        load_zones(file)


def test_supply_peaks_at_its_hour_and_keeps_its_mean() -> None:
    for zone in load_zones()[:20]:
        day = [cars(zone, hour) for hour in range(24)]
        assert max(day) == day[zone.peak_hour]
        assert sum(day) / 24 == pytest.approx(zone.car_hours / 730)


def test_drivers_on_duty_follow_the_supply() -> None:
    city = City(load_zones())
    drivers = list(city.drivers())
    assert len({driver.driver_id for driver in drivers}) == len(drivers)
    for hour in range(24):
        on_duty = Counter(driver.zone for driver in drivers if driver.duty >> hour & 1)
        expected = {zone.name: cars(zone, hour) for zone in city.zones}
        assert sum(on_duty.values()) == round(sum(expected.values()))
        assert all(abs(on_duty[name] - number) < 1 for name, number in expected.items())


def test_places_belong_to_the_nearest_zone() -> None:
    city = City(load_zones())
    for zone in random.Random(1).sample(city.zones, 20):
        assert city.zone_at(zone.place) == zone
    with pytest.raises(OutOfArea, match="nearest zone"):
        city.zone_at(Place(46.8, -71.2))  # the city of Quebec
