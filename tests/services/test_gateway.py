from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from city import open_gateway, send
from prometheus_client import generate_latest

import mesh
from idl import pricing, trips
from mesh.errors import Busy
from mesh.testing import LocalMesh, fake, then, timeout
from services.gateway.answering import Gate
from services.gateway.server import open_sockets

pytestmark = pytest.mark.integration

A, B = {"lat": 45.5, "lon": -73.6}, {"lat": 45.52, "lon": -73.61}
ROUTE = {"pickup": A, "dropoff": B, "hour": 8}
ORDER = {**ROUTE, "trip_id": "t1", "rider_id": "r1", "fare_cents": 1250}
QUOTE = pricing.Quote(fare_cents=1250, currency=pricing.Currency.CAD, km=2.5, surge=1.2, zone="Z001", hour=8)
MATCHED = trips.Trip(trip_id="t1", state=trips.TripState.MATCHED, fare_cents=1250, driver_id="d1")


class Stage:
    """A gateway before two fakes."""

    def __init__(self) -> None:
        self.mesh = LocalMesh()
        self.gate = Gate()
        self.pricing = fake(pricing.Pricing, quote=QUOTE)
        self.trips = fake(trips.Trips, request=MATCHED, start=MATCHED, finish=MATCHED, get=MATCHED)

    async def __aenter__(self) -> Stage:
        await self.mesh.serve(pricing.Pricing, self.pricing)
        await self.mesh.serve(trips.Trips, self.trips)
        self.server, self.node = await open_gateway(self.mesh, self.gate)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.mesh.__aexit__(*exc)

    async def send(self, *args: Any, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
        return await send(self.server.address, *args, **more)


@pytest.fixture
async def stage():
    async with Stage() as stage:
        yield stage


async def test_a_quote(stage: Stage) -> None:
    status, body, headers = await stage.send("POST", "/quotes", ROUTE)
    assert (status, body) == (
        200,
        {"fare_cents": 1250, "currency": "CAD", "km": 2.5, "surge": 1.2, "zone": "Z001", "hour": 8},
    )
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert stage.pricing.calls[0].caller == "gateway"


async def test_the_steps_of_a_trip(stage: Stage) -> None:
    told = {"trip_id": "t1", "state": "matched", "fare_cents": 1250, "driver_id": "d1"}
    assert (await stage.send("POST", "/trips", ORDER))[:2] == (201, told)
    assert (await stage.send("POST", "/trips/t1/start"))[:2] == (200, told)
    assert (await stage.send("POST", "/trips/t1/finish", {}))[:2] == (200, told)
    assert (await stage.send("GET", "/trips/t1"))[:2] == (200, told)
    assert [call.method for call in stage.trips.calls] == ["request", "start", "finish", "get"]
    request = stage.trips.calls[0].args["request"]
    assert (request.trip_id, request.rider_id, request.pickup.lat, request.hour) == ("t1", "r1", 45.5, 8)


async def test_a_trip_without_an_id_gets_one(stage: Stage) -> None:
    for _ in range(2):
        assert (await stage.send("POST", "/trips", {**ORDER, "trip_id": None}))[0] == 201
    first, second = (call.args["request"].trip_id for call in stage.trips.calls)
    assert first != second


@pytest.mark.parametrize(
    ("error", "status", "name", "details"),
    [
        (trips.UnknownTrip(message="no"), 404, "unknown_trip", {}),
        (trips.WrongState(message="no", state=trips.TripState.CHARGED), 409, "wrong_state", {"state": "charged"}),
    ],
)
async def test_declared_exceptions(
    stage: Stage, error: Exception, status: int, name: str, details: dict[str, Any]
) -> None:
    stage.trips.answer("finish", error)
    answered, body, _ = await stage.send("POST", "/trips/t1/finish")
    trace_id = body.pop("trace_id")
    assert (answered, body) == (status, {"error": name, "message": "no", **details})
    assert len(trace_id) == 32


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (trips.FareChanged(message="no", fare_cents=1300), 409, "fare_changed"),
        (trips.TripConflict(message="no"), 409, "trip_conflict"),
        (trips.NoDriver(message="no"), 409, "no_driver"),
        (trips.BadRoute(message="no"), 422, "bad_route"),
    ],
)
async def test_refused_requests(stage: Stage, error: Exception, status: int, name: str) -> None:
    stage.trips.answer("request", error)
    answered, body, _ = await stage.send("POST", "/trips", ORDER)
    assert (answered, body["error"], body["message"]) == (status, name, "no")


async def test_a_new_fare_is_told(stage: Stage) -> None:
    stage.trips.answer("request", trips.FareChanged(message="no", fare_cents=1300))
    assert (await stage.send("POST", "/trips", ORDER))[1]["fare_cents"] == 1300


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/quotes", {**ROUTE, "colour": 1}, "colour: unknown field"),
        ("/quotes", {**ROUTE, "hour": "8"}, "hour: expected an integer"),
        ("/quotes", {**ROUTE, "hour": 24}, "hour"),  # the contract's range
        ("/quotes", {**ROUTE, "pickup": {"lat": 91, "lon": 0}}, "lat"),
        ("/trips", {**ORDER, "trip_id": "with space"}, "trip_id"),
        ("/trips", {**ORDER, "fare_cents": 1 << 70}, "fare_cents"),
        ("/trips", b"{", "body: no JSON"),
        ("/trips/t1/start", {"now": True}, "now: unknown field"),
    ],
)
async def test_bad_bodies_name_the_field(stage: Stage, path: str, body: Any, message: str) -> None:
    status, answer, _ = await stage.send("POST", path, body)
    assert (status, answer["error"]) == (400, "bad_request")
    assert message in answer["message"]
    assert stage.pricing.calls == stage.trips.calls == []


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/nowhere", 404, "not_found"),
        ("POST", "/trips/t1/stop", 404, "not_found"),
        ("GET", f"/trips/{'x' * 65}", 404, "not_found"),
        ("GET", "/trips", 405, "method_not_allowed"),
        ("DELETE", "/trips/t1", 405, "method_not_allowed"),
    ],
)
async def test_wrong_paths_and_methods(stage: Stage, method: str, path: str, status: int, error: str) -> None:
    answered, body, _ = await stage.send(method, path)
    assert (answered, body["error"]) == (status, error)
    assert len(body["trace_id"]) == 32


async def test_another_media_type(stage: Stage) -> None:
    status, body, _ = await stage.send("POST", "/quotes", ROUTE, headers={"Content-Type": "text/plain"})
    assert (status, body["error"]) == (415, "unsupported_media_type")


async def test_failures_of_the_mesh_have_the_tables_status(stage: Stage) -> None:
    stage.pricing.answer("quote", then(*[Busy("full")] * 20))
    status, body, _ = await stage.send("POST", "/quotes", ROUTE)
    assert (status, body["error"]) == (Busy.kind.http, "busy")
    stage.pricing.answer("quote", timeout())
    status, body, _ = await stage.send("POST", "/quotes", ROUTE, headers={"X-Deadline-Ms": "50"})
    assert (status, body["error"]) == (504, "timeout")


@pytest.mark.parametrize("text", ["0", "-1", "x", "30001", "9" * 50])
async def test_bad_deadlines(stage: Stage, text: str) -> None:
    status, body, _ = await stage.send("POST", "/quotes", ROUTE, headers={"X-Deadline-Ms": text})
    assert status == 400
    assert "X-Deadline-Ms" in body["message"]


async def test_a_trace_goes_on(stage: Stage) -> None:
    sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    stage.trips.answer("get", trips.UnknownTrip(message="no"))
    _, body, headers = await stage.send("GET", "/trips/t1", headers={"traceparent": sent})
    assert body["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    version, trace_id, span_id, flags = headers["Traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01")
    assert span_id != "00f067aa0ba902b7"


async def test_calls_behind_the_gateway_belong_to_the_trace(stage: Stage) -> None:
    seen = []

    def quote(request: pricing.QuoteRequest) -> pricing.Quote:
        seen.append(mesh.current().trace)
        return QUOTE

    stage.pricing.answer("quote", quote)
    _, _, headers = await stage.send("POST", "/quotes", ROUTE)
    _, trace_id, span_id, _ = headers["Traceparent"].split("-")
    assert (seen[0].id, f"{seen[0].parent_id:016x}") == (trace_id, span_id)


@pytest.mark.parametrize("sent", ["", "00-zz-1-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
async def test_a_broken_trace_is_begun_anew(stage: Stage, sent: str) -> None:
    _, _, headers = await stage.send("GET", "/health", headers={"traceparent": sent})
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in headers["Traceparent"]


async def test_health_and_closing(stage: Stage) -> None:
    assert (await stage.send("GET", "/health"))[:2] == (200, {"ready": True})
    stage.gate.closing = True
    status, body, headers = await stage.send("GET", "/health")
    assert (status, body["error"]) == (503, "declined")
    assert headers["Connection"] == "close"
    assert (await stage.send("POST", "/quotes", ROUTE))[0] == 200  # what has come in is still answered


async def test_too_many_at_once_are_shed(stage: Stage) -> None:
    stage.gate.limit = 0
    status, body, _ = await stage.send("GET", "/health")
    assert (status, body["error"]) == (429, "busy")


async def test_a_client_that_goes_away_cancels_what_is_done_for_it(stage: Stage) -> None:
    stage.pricing.answer("quote", timeout())
    host, port = stage.server.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = b'{"pickup": {"lat": 45.5, "lon": -73.6}, "dropoff": {"lat": 45.5, "lon": -73.6}}'
    writer.write(
        b"POST /quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    async with asyncio.timeout(5):
        while not stage.pricing.calls:
            await asyncio.sleep(0.001)
        assert stage.gate.inside == 1
        writer.close()
        await stage.gate.empty()
    told = generate_latest(stage.node.metrics).decode()
    labels = 'caller="gateway",method="Pricing::quote",outcome="cancelled",service="pricing"'
    assert f"rpc_client_calls_total{{{labels}}} 1.0" in told  # and did not time out


async def test_stopping_answers_what_is_under_way(stage: Stage) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: pricing.QuoteRequest) -> pricing.Quote:
        arrived.set()
        await answer.wait()
        return QUOTE

    stage.pricing.answer("quote", slow)
    asking = asyncio.create_task(stage.send("POST", "/quotes", ROUTE))
    await arrived.wait()
    stopping = asyncio.create_task(stage.server.__aexit__())
    await asyncio.sleep(0)
    assert stage.gate.closing
    answer.set()
    status, _, headers = await asking
    assert (status, headers["Connection"]) == (200, "close")
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*stage.server.address.split(":"))


async def test_a_large_body_is_cut_off(stage: Stage) -> None:
    host, port = stage.server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /quotes HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 4")
    writer.close()


def test_an_inherited_socket_is_used() -> None:
    parent = socket.create_server(("127.0.0.1", 0))
    (child,) = open_sockets("127.0.0.1:1", str(parent.detach()))
    assert child.getsockname()[0] == "127.0.0.1"
    child.close()
