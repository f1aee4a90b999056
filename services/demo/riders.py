"""Riders: each quotes, requests, starts and finishes a trip over HTTP, and writes down what it was told.

One rule: whatever fails without a definite answer is asked again, under the same trip id. The city promises that this
does no harm; the audit checks it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from services.drivers.models import Zone
from services.journal import Entry, Journal

AGAIN = (0, 429, 500, 502, 503, 504)  # no answer, or one that says "not now"
MOST_TRIES = 8
FIRST_PAUSE_S = 0.1  # doubled each time: eight tries last about half a minute, longer than a restart
REQUEST_TIMEOUT_S = 10.0  # longer than the gateway's own deadlines
SETTLED_WITHIN_S = 20.0  # the sweep of `trips` comes every second
TWICE_EVERY = 10  # every tenth rider is impatient and asks everything twice


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: none came, `body` says why under `error`."""

    status: int
    body: dict[str, Any]


class Gateway:
    """The gateway as a rider sees it."""

    def __init__(self, url: str, journal: Journal, concurrency: int) -> None:
        self._url = url.rstrip("/")
        self._journal = journal
        self._http = AsyncHTTPClient(force_instance=True, max_clients=2 * concurrency)

    def close(self) -> None:
        self._http.close()

    async def ready(self, within_s: float) -> bool:
        """Waits until it answers."""
        until = time.monotonic() + within_s
        while (await self._fetch("GET", "/health", None)).status != 200:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.1)
        return True

    async def ask(self, trip_id: str, step: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Asks until the answer is definite, or MOST_TRIES times."""
        for attempt in range(MOST_TRIES):
            began = time.monotonic()
            answer = await self._fetch(method, path, body)
            self._journal.add(_entry(trip_id, step, answer, time.monotonic() - began))
            if answer.status not in AGAIN:
                break
            await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
        return answer

    async def _fetch(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        content = None if method == "GET" else json.dumps(body or {})
        request = HTTPRequest(
            self._url + path,
            method=method,
            body=content,
            headers={"Content-Type": "application/json"},
            connect_timeout=REQUEST_TIMEOUT_S,
            request_timeout=REQUEST_TIMEOUT_S,
        )
        try:
            response = await self._http.fetch(request, raise_error=False)
            return Answer(response.code, json.loads(response.body))
        except (HTTPClientError, OSError, ValueError) as error:  # no answer, or none that was whole
            return Answer(0, {"error": f"{type(error).__name__}: {error}"})


def _entry(trip_id: str, step: str, answer: Answer, seconds: float) -> Entry:
    body = answer.body
    state = body.get("state") if answer.status < 300 else None
    if body.get("error") == "no_driver":
        state = "unmatched"
    fare = body.get("fare_cents") if state and step != "quote" else None
    return Entry(trip_id, step, answer.status, round(seconds * 1000, 2), state, fare, body.get("error"))


class Riders:
    """A run's riders. Places are the zones of the city, busy ones more often; hours are those of a whole day."""

    def __init__(self, gateway: Gateway, zones: Sequence[Zone], rng: random.Random, run: str) -> None:
        self._gateway = gateway
        self._zones = zones
        self._weights = [zone.car_hours for zone in zones]
        self._rng = rng
        self._run = run

    async def ride_all(self, trips: int, concurrency: int, done: Callable[[], None]) -> None:
        """`trips` trips, at most `concurrency` at a time; `done()` after each."""
        numbers = iter(range(trips))

        async def rider() -> None:
            for number in numbers:
                await self.ride(number)
                done()

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(rider())

    async def ride(self, number: int) -> None:
        """One trip from quote to receipt."""
        trip_id = f"{self._run}-{number:05}"
        patience = 2 if number % TWICE_EVERY == 0 else 1
        pickup, dropoff = (self._place(zone) for zone in self._rng.choices(self._zones, self._weights, k=2))
        route = {"pickup": pickup, "dropoff": dropoff, "hour": self._rng.randrange(24)}
        quote = await self._gateway.ask(trip_id, "quote", "POST", "/quotes", route)
        if quote.status != 200:
            return
        order = {
            **route,
            "trip_id": trip_id,
            "rider_id": f"rider-{self._rng.randrange(1000)}",
            "fare_cents": quote.body["fare_cents"],
        }
        steps = (
            ("request", "/trips", order),
            ("start", f"/trips/{trip_id}/start", None),
            ("finish", f"/trips/{trip_id}/finish", None),
        )
        for step, path, body in steps:
            asked = (self._gateway.ask(trip_id, step, "POST", path, body) for _ in range(patience))
            answers = await asyncio.gather(*asked)
            if not any(200 <= answer.status < 300 for answer in answers):
                return
        await self._settled(trip_id)

    async def _settled(self, trip_id: str) -> None:
        until = time.monotonic() + SETTLED_WITHIN_S
        while time.monotonic() < until:
            answer = await self._gateway.ask(trip_id, "get", "GET", f"/trips/{trip_id}")
            if answer.body.get("state") == "charged":
                return
            await asyncio.sleep(0.3)

    def _place(self, zone: Zone) -> dict[str, float]:
        # Within some 300 m of the zone's centre: zones lie about 1 km apart.
        lat, lon = (self._rng.uniform(-0.003, 0.003) for _ in range(2))
        return {"lat": round(zone.place.lat + lat, 6), "lon": round(zone.place.lon + lon, 6)}
