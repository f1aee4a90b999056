from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import MemoryBook

from mesh.store import Store
from services.trips import models, store
from services.trips.models import (
    ChargeConflict,
    FareChanged,
    NoDriver,
    NotNow,
    Order,
    Place,
    State,
    TripConflict,
    TripOver,
    UnknownTrip,
    WrongState,
)
from services.trips.service import states
from services.trips.service.lifecycle import Lifecycle
from services.trips.service.needs import Book
from services.trips.service.settling import EXPIRE_AFTER_S, SETTLE_AFTER_S, Settling

MIGRATIONS = Path(store.__file__).parent / "migrations"
ORDER = Order("t1", "rider", Place(45.5, -73.6), Place(45.52, -73.61), 8, 1250)


class World:
    """The other services and the clock. What stands in `failing` is answered with that exception, once each."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.fare = 1250
        self.failing: dict[str, list[Exception]] = {}
        self.charges: dict[str, int] = {}
        self.held: set[str] = set()
        self.freed: list[tuple[str, Place]] = []

    def now(self) -> float:
        return self.time

    def _fail(self, name: str) -> None:
        if self.failing.get(name):
            raise self.failing[name].pop(0)

    async def fare_cents(self, order: Order) -> int:
        self._fail("fare")
        return self.fare

    async def match(self, order: Order) -> str:
        await asyncio.sleep(0)  # others may come in between
        self._fail("match")
        self.held.add(order.trip_id)
        return f"driver-of-{order.trip_id}"

    async def release(self, trip_id: str, place: Place) -> None:
        self._fail("release")
        self.held.discard(trip_id)
        self.freed.append((trip_id, place))

    async def charge(self, order: Order) -> str:
        await asyncio.sleep(0)
        self._fail("charge")
        self.charges.setdefault(order.trip_id, order.fare_cents)
        self._fail("charge-answer")
        return f"charge-of-{order.trip_id}"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=["memory", "sql"])
async def book(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        yield MemoryBook()
        return
    async with Store.open(tmp_path / "trips.db", owner="trips", migrations=MIGRATIONS) as opened:
        yield store.TripBook(opened)


@pytest.fixture
def settling(book: Book, world: World) -> Settling:
    return Settling(book, world, world, world.now)


@pytest.fixture
def city(book: Book, world: World, settling: Settling) -> Lifecycle:
    return Lifecycle(book, world, world, settling, world.now)


async def test_a_whole_trip_with_every_step_repeated(city: Lifecycle, world: World) -> None:
    for _ in range(2):
        trip = await city.request(ORDER)
        assert (trip.state, trip.driver_id) == (State.MATCHED, "driver-of-t1")
    for _ in range(2):
        assert (await city.start("t1")).state is State.STARTED
    for _ in range(2):
        trip = await city.finish("t1")
        assert (trip.state, trip.charge_id, trip.released) == (State.CHARGED, "charge-of-t1", True)
    assert (await city.start("t1")).state is State.CHARGED  # a start that comes late
    assert await city.request(ORDER) == trip == await city.get("t1")
    assert world.charges == {"t1": 1250}
    assert world.freed == [("t1", ORDER.dropoff)]


async def test_the_same_id_with_another_content_is_refused(city: Lifecycle) -> None:
    await city.request(ORDER)
    with pytest.raises(TripConflict):
        await city.request(replace(ORDER, rider_id="another"))


async def test_a_fare_that_the_rider_did_not_agree_to(city: Lifecycle, world: World) -> None:
    world.fare = 1300
    with pytest.raises(FareChanged, match="1300") as refused:
        await city.request(ORDER)
    assert refused.value.fare_cents == 1300
    with pytest.raises(UnknownTrip):
        await city.get("t1")
    assert (await city.request(replace(ORDER, fare_cents=1300))).state is State.MATCHED


async def test_nobody_is_free_and_then_somebody_is(city: Lifecycle, world: World) -> None:
    world.failing["match"] = [NoDriver("nobody"), NoDriver("nobody")]
    for _ in range(2):
        with pytest.raises(NoDriver):
            await city.request(ORDER)
        assert (await city.get("t1")).state is State.UNMATCHED
    assert (await city.request(ORDER)).state is State.MATCHED


async def test_a_request_that_broke_off_goes_on_when_repeated(city: Lifecycle, world: World) -> None:
    world.failing["match"] = [TimeoutError()]
    with pytest.raises(TimeoutError):
        await city.request(ORDER)
    assert (await city.get("t1")).state is State.REQUESTED
    world.fare = 9999  # agreed is agreed
    assert (await city.request(ORDER)).state is State.MATCHED


async def test_requests_at_once_make_one_trip(city: Lifecycle, world: World) -> None:
    made = await asyncio.gather(*(city.request(ORDER) for _ in range(10)))
    assert {(trip.state, trip.driver_id) for trip in made} == {(State.MATCHED, "driver-of-t1")}


async def test_steps_in_the_wrong_order(city: Lifecycle, world: World) -> None:
    with pytest.raises(UnknownTrip):
        await city.start("t1")
    await city.request(ORDER)
    with pytest.raises(WrongState, match="is matched, it cannot be finished") as refused:
        await city.finish("t1")
    assert refused.value.state is State.MATCHED
    assert world.charges == {}


async def test_an_unmatched_trip_cannot_start(city: Lifecycle, world: World) -> None:
    world.failing["match"] = [NoDriver("nobody")]
    with pytest.raises(NoDriver):
        await city.request(ORDER)
    with pytest.raises(WrongState, match="is unmatched"):
        await city.start("t1")


async def test_finishing_at_once_charges_once(city: Lifecycle, world: World) -> None:
    await city.request(ORDER)
    await city.start("t1")
    done = await asyncio.gather(*(city.finish("t1") for _ in range(10)))
    assert {trip.state for trip in done} == {State.CHARGED}
    assert world.charges == {"t1": 1250}


async def test_a_charge_that_fails_is_made_up_for_by_the_sweep(
    city: Lifecycle, settling: Settling, world: World
) -> None:
    await city.request(ORDER)
    await city.start("t1")
    world.failing["charge"] = [NotNow("payments are away")]
    trip = await city.finish("t1")
    assert (trip.state, trip.charge_id) == (State.FINISHED, None)
    assert await settling.sweep() == 0  # it may still be settled by its own call
    world.time += SETTLE_AFTER_S
    assert await settling.sweep() == 1
    trip = await city.get("t1")
    assert (trip.state, trip.released) == (State.CHARGED, True)
    assert await settling.sweep() == 0


async def test_a_charge_whose_answer_was_lost_is_not_made_twice(
    city: Lifecycle, settling: Settling, world: World
) -> None:
    await city.request(ORDER)
    await city.start("t1")
    world.failing["charge-answer"] = [NotNow("timeout")]
    assert (await city.finish("t1")).state is State.FINISHED
    assert (await city.finish("t1")).state is State.CHARGED
    assert world.charges == {"t1": 1250}


async def test_a_crash_between_finish_and_charge(book: Book, settling: Settling, city: Lifecycle, world: World) -> None:
    await city.request(ORDER)
    await city.start("t1")
    world.failing["charge"] = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        await city.finish("t1")
    world.time += SETTLE_AFTER_S
    assert await Settling(book, world, world, world.now).sweep() == 1  # the next process
    assert world.charges == {"t1": 1250}


async def test_a_release_that_fails_is_made_up_for(city: Lifecycle, settling: Settling, world: World) -> None:
    await city.request(ORDER)
    await city.start("t1")
    world.failing["release"] = [NotNow("dispatch is away")]
    trip = await city.finish("t1")
    assert (trip.state, trip.released) == (State.CHARGED, False)
    world.time += SETTLE_AFTER_S
    assert await settling.sweep() == 1
    assert world.held == set()


async def test_one_that_cannot_be_settled_holds_up_no_other(city: Lifecycle, settling: Settling, world: World) -> None:
    for name in ("t1", "t2"):
        await city.request(replace(ORDER, trip_id=name))
        await city.start(name)
        world.failing["charge"] = [NotNow("away")]
        await city.finish(name)
    world.time += SETTLE_AFTER_S
    world.failing["charge"] = [ChargeConflict("charged before")]
    assert await settling.sweep() == 1
    assert world.charges == {"t2": 1250}


async def test_what_is_never_started_expires_and_its_driver_is_free(
    city: Lifecycle, settling: Settling, world: World
) -> None:
    await city.request(ORDER)
    world.time += EXPIRE_AFTER_S - 1
    await settling.sweep()
    assert (await city.get("t1")).state is State.MATCHED
    world.time += 1
    await settling.sweep()
    world.time += SETTLE_AFTER_S
    await settling.sweep()
    trip = await city.get("t1")
    assert (trip.state, trip.released) == (State.EXPIRED, True)
    assert world.freed == [("t1", ORDER.pickup)]
    with pytest.raises(WrongState, match="is expired"):
        await city.start("t1")
    with pytest.raises(WrongState, match="is expired"):
        await city.request(ORDER)


async def test_a_match_that_comes_after_the_expiry(city: Lifecycle, settling: Settling, world: World) -> None:
    world.failing["match"] = [NoDriver("nobody"), TripOver("over")]
    with pytest.raises(NoDriver):
        await city.request(ORDER)
    with pytest.raises(WrongState):
        await city.request(ORDER)


@pytest.mark.parametrize("state", list(State))
async def test_what_comes_late_changes_nothing(book: Book, state: State) -> None:
    """Answers of others that arrive when the trip has gone on by other ways."""
    charge_id = "first" if state is State.CHARGED else None
    async with book.change() as trips:
        await trips.add(models.Trip(ORDER, State.REQUESTED, 1.0))
        await trips.put(models.Trip(ORDER, state, 1.0, "d1", charge_id))
    late = {
        "matched": lambda trips: states.matched(trips, "t1", "d2", 2.0),
        "unmatched": lambda trips: states.unmatched(trips, "t1", 2.0),
        "charged": lambda trips: states.charged(trips, "t1", "second", 2.0),
        "expired": lambda trips: states.expire(trips, "t1", 2.0),
    }
    allowed = {
        "matched": {State.REQUESTED, State.UNMATCHED},
        "unmatched": {State.REQUESTED},
        "charged": {State.FINISHED},
        "expired": {State.REQUESTED, State.UNMATCHED, State.MATCHED},
    }
    for name, change in late.items():
        if state in allowed[name]:
            continue
        async with book.change() as trips:
            trip = await change(trips)
        assert (trip.state, trip.driver_id, trip.charge_id, trip.changed_at) == (state, "d1", charge_id, 1.0), name


async def test_a_trip_that_expires_while_it_is_matched(
    city: Lifecycle, settling: Settling, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(order: Order) -> str:
        world.time += EXPIRE_AFTER_S
        await settling.sweep()
        return "d1"

    monkeypatch.setattr(world, "match", slow)
    with pytest.raises(WrongState, match="is expired, it cannot be matched"):
        await city.request(ORDER)
    assert (await city.get("t1")).driver_id is None


def test_the_states_are_the_contracts() -> None:
    from idl import trips

    assert {state.name: int(state) for state in models.State} == trips.TripState._NAMES_TO_VALUES
