from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from city import City

from idl import dispatch, drivers, geo, payments, pricing, trips
from mesh.errors import BadRequest, MeshError
from mesh.testing import LocalMesh

PICKUP = geo.Point(lat=45.5048, lon=-73.5538)
DROPOFF = geo.Point(lat=45.5579, lon=-73.5515)


@pytest.fixture
async def city(tmp_path: Path):
    async with LocalMesh() as mesh:
        city = City(mesh, tmp_path)
        await city.start()
        yield city


async def order(city: City, trip_id: str, **changes: Any) -> trips.TripRequest:
    quotes = await city.mesh.client(pricing.Pricing)
    quote = await quotes.quote(pricing.QuoteRequest(stops=[PICKUP, DROPOFF], hour=8))
    wanted = {"pickup": PICKUP, "dropoff": DROPOFF, "rider_id": "rider", "fare_cents": quote.fare_cents, **changes}
    return trips.TripRequest(trip_id=trip_id, hour=8, **wanted)


async def test_a_trip_from_quote_to_receipt(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    request = await order(city, "t1")
    trip = await rider.request(request)
    assert (trip.state, trip.fare_cents) == (trips.TripState.MATCHED, request.fare_cents)
    fleet = await city.mesh.client(drivers.Drivers)
    (held,) = await fleet.reservation("t1")
    assert held.driver.driver_id == trip.driver_id
    assert (await rider.start("t1")).state == trips.TripState.STARTED
    done = await rider.finish("t1")
    assert done.state == trips.TripState.CHARGED
    money = await city.mesh.client(payments.Payments)
    receipt = await money.receipt("t1")
    assert (receipt.charge_id, receipt.amount_cents) == (done.charge_id, request.fare_cents)
    assert await fleet.reservation("t1") == []
    nearby = await fleet.nearest(drivers.NearestRequest(place=DROPOFF, hour=8, limit=1))
    assert nearby[0].driver_id == trip.driver_id  # free, where the trip ended


async def test_exceptions_keep_their_meaning_across_services(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    with pytest.raises(trips.UnknownTrip):
        await rider.get("nothing")
    request = await order(city, "t1")
    with pytest.raises(trips.FareChanged) as changed:
        await rider.request(await order(city, "t1", fare_cents=1))
    assert changed.value.fare_cents == request.fare_cents
    await rider.request(request)
    with pytest.raises(trips.TripConflict):
        await rider.request(await order(city, "t1", rider_id="another"))
    with pytest.raises(trips.WrongState) as wrong:
        await rider.finish("t1")
    assert wrong.value.state == trips.TripState.MATCHED
    nowhere = geo.Point(lat=45.75, lon=-73.6)
    with pytest.raises(trips.BadRoute, match="nearest zone"):
        await rider.request(await order(city, "t2", pickup=nowhere))
    quotes = await city.mesh.client(pricing.Pricing)
    with pytest.raises(pricing.BadRoute, match="either km or stops"):
        await quotes.quote(pricing.QuoteRequest())
    money = await city.mesh.client(payments.Payments)
    with pytest.raises(payments.NoCharge):
        await money.receipt("t1")


async def test_the_contract_guards_every_door(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    with pytest.raises(BadRequest, match="trip_id"):
        await rider.get("no spaces, please")
    quotes = await city.mesh.client(pricing.Pricing)
    with pytest.raises(BadRequest, match="hour"):
        await quotes.quote(pricing.QuoteRequest(km=1.0, hour=24))
    with pytest.raises(BadRequest, match=r"stops\[0\]\.lat"):
        await quotes.quote(pricing.QuoteRequest(stops=[geo.Point(lat=91.0, lon=0.0), DROPOFF]))


async def test_many_at_one_place_get_a_driver_each(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    requests = [await order(city, f"t{number}") for number in range(40)]
    answers = await asyncio.gather(*(rider.request(request) for request in requests), return_exceptions=True)
    matched = [answer.driver_id for answer in answers if isinstance(answer, trips.Trip)]
    assert len(matched) >= 10
    assert len(set(matched)) == len(matched)
    assert {type(answer) for answer in answers} <= {trips.Trip, trips.NoDriver}


async def test_many_finishes_charge_once(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    await rider.request(await order(city, "t1"))
    await rider.start("t1")
    answers = await asyncio.gather(*(rider.finish("t1") for _ in range(20)))
    assert len({answer.charge_id for answer in answers if answer.charge_id}) == 1
    money = await city.mesh.client(payments.Payments)
    request = payments.ChargeRequest(trip_id="t1", rider_id="rider", amount_cents=answers[0].fare_cents)
    again = await asyncio.gather(*(money.charge(request) for _ in range(20)))
    assert {(receipt.charge_id, receipt.fresh) for receipt in again} == {(answers[0].charge_id, False)}
    request.amount_cents += 1
    with pytest.raises(payments.ChargeConflict) as conflict:
        await money.charge(request)
    assert conflict.value.charged_cents == answers[0].fare_cents


async def test_the_charge_follows_when_payments_come_back(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    await rider.request(await order(city, "t1"))
    await rider.start("t1")
    await city.stop("payments")
    assert (await rider.finish("t1")).state == trips.TripState.FINISHED
    await city.start("payments")
    assert (await rider.finish("t1")).state == trips.TripState.CHARGED


async def test_what_trips_had_left_over_is_settled_after_a_restart(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    rider = await city.mesh.client(trips.Trips)
    await rider.request(await order(city, "t1"))
    await rider.start("t1")
    await city.stop("payments")
    assert (await rider.finish("t1")).state == trips.TripState.FINISHED
    await city.stop("trips")
    monkeypatch.setattr("services.trips.service.settling.Settling.sweep.__defaults__", (0.0,))
    await city.start("payments", "trips")
    async with asyncio.timeout(10):
        while (await rider.get("t1")).state != trips.TripState.CHARGED:
            await asyncio.sleep(0.01)


async def test_a_request_while_dispatch_is_away_goes_on_later(city: City) -> None:
    rider = await city.mesh.client(trips.Trips)
    request = await order(city, "t1")
    await city.stop("dispatch")
    with pytest.raises(MeshError):
        await rider.request(request)
    assert (await rider.get("t1")).state == trips.TripState.REQUESTED
    await city.start("dispatch")
    assert (await rider.request(request)).state == trips.TripState.MATCHED


async def test_dispatch_answers_the_same_match_and_knows_when_a_trip_is_over(city: City) -> None:
    desk = await city.mesh.client(dispatch.Dispatch)
    request = dispatch.MatchRequest(trip_id="t1", pickup=PICKUP, hour=8)
    assert await desk.match(request) == await desk.match(request)
    await desk.release("t1", DROPOFF)
    with pytest.raises(drivers.TripOver):
        await desk.match(request)
    with pytest.raises(dispatch.NoDriver):
        await desk.match(dispatch.MatchRequest(trip_id="t2", pickup=geo.Point(lat=46.8, lon=-71.2), hour=8))


async def test_a_fleet_is_hired_once(city: City) -> None:
    fleet = await city.mesh.client(drivers.Drivers)
    everybody = drivers.NearestRequest(place=PICKUP, hour=8, limit=50, within_km=50.0)
    before = await fleet.nearest(everybody)
    await city.stop("drivers")
    await city.start("drivers")
    assert await fleet.nearest(everybody) == before
