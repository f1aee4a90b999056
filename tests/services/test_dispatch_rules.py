from __future__ import annotations

import pytest

from services.dispatch.models import Candidate, DriverTaken, NoDriver, Place
from services.dispatch.service import CANDIDATES, ROUNDS, match

PICKUP = Place(45.5, -73.6)


class FakeFleet:
    """Fits `service.Fleet`; `taken` are reserved by others between our two questions."""

    def __init__(self, rounds: list[list[str]], taken: set[str] | None = None, held: str | None = None) -> None:
        self.rounds = rounds
        self.taken = taken or set()
        self.held = held
        self.tried: list[str] = []

    async def nearest(self, place: Place, hour: int, km: float, limit: int) -> list[Candidate]:
        names = self.rounds.pop(0) if self.rounds else []
        return [Candidate(name, "Z1", 0.5) for name in names][:limit]

    async def reserve(self, trip_id: str, driver_id: str, pickup: Place) -> Candidate:
        self.tried.append(driver_id)
        if driver_id in self.taken:
            raise DriverTaken(driver_id)
        return Candidate(driver_id, "Z1", 0.5)

    async def reserved(self, trip_id: str, pickup: Place) -> Candidate | None:
        return Candidate(self.held, "Z1", 0.5) if self.held else None

    async def release(self, trip_id: str, place: Place) -> None:
        raise AssertionError("a match releases nobody")


async def test_the_nearest_is_taken() -> None:
    fleet = FakeFleet([["a", "b"]])
    assert (await match(fleet, "t", PICKUP, 8)).driver.driver_id == "a"
    assert fleet.tried == ["a"]


async def test_the_next_when_another_trip_was_faster() -> None:
    fleet = FakeFleet([["a", "b", "c"]], taken={"a", "b"})
    assert (await match(fleet, "t", PICKUP, 8)).driver.driver_id == "c"


async def test_others_are_asked_for_when_all_were_taken() -> None:
    first = [f"a{number}" for number in range(CANDIDATES)]
    fleet = FakeFleet([first, ["b"]], taken=set(first))
    assert (await match(fleet, "t", PICKUP, 8)).driver.driver_id == "b"


async def test_rounds_are_bounded() -> None:
    names = [f"a{number}" for number in range(CANDIDATES)]
    fleet = FakeFleet([names] * 10, taken=set(names))
    with pytest.raises(NoDriver):
        await match(fleet, "t", PICKUP, 8)
    assert len(fleet.tried) == ROUNDS * CANDIDATES


async def test_nobody_is_near() -> None:
    with pytest.raises(NoDriver, match="8:00"):
        await match(FakeFleet([]), "t", PICKUP, 8)


async def test_a_repeat_finds_the_trips_driver_when_nobody_else_is_free() -> None:
    assert (await match(FakeFleet([], held="mine"), "t", PICKUP, 8)).driver.driver_id == "mine"
