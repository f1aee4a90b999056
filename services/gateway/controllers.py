"""The paths of the city.

POST /quotes, POST /trips, POST /trips/ID/start, POST /trips/ID/finish, GET /trips/ID, GET /health.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from tornado.web import Application

from services.gateway.answering import Answering, Gate
from services.gateway.models import Refused
from services.gateway.remote import City
from services.gateway.views import check_empty, to_quote_asked, to_trip_asked, told


class Quotes(Answering):
    async def post(self) -> None:
        async def quote() -> dict[str, Any]:
            return told(await self._city.quote(to_quote_asked(self.body())))

        await self.answer(quote)


class Trips(Answering):
    async def post(self) -> None:
        async def request() -> dict[str, Any]:
            asked = to_trip_asked(self.body())
            return told(await self._city.request(asked.trip_id or uuid.uuid4().hex, asked))

        await self.answer(request, status=201)


class Trip(Answering):
    async def get(self, trip_id: str) -> None:
        async def get() -> dict[str, Any]:
            return told(await self._city.get(trip_id))

        await self.answer(get)


class TripStep(Answering):
    async def post(self, trip_id: str, step: str) -> None:
        async def take() -> dict[str, Any]:
            check_empty(self.body())
            method = {"start": self._city.start, "finish": self._city.finish}[step]
            return told(await method(trip_id))

        await self.answer(take)


class Health(Answering):
    async def get(self) -> None:
        async def health() -> dict[str, Any]:
            if self._gate.closing:
                raise Refused(503, "declined", "this instance is stopping")
            return {"ready": True}

        await self.answer(health)


class NotFound(Answering):
    async def prepare(self) -> None:
        async def nothing() -> dict[str, Any]:
            raise Refused(404, "not_found", f"no such path; known are {', '.join(PATHS)}")

        await self.answer(nothing)


PATHS = ("/quotes", "/trips", "/trips/ID", "/trips/ID/start", "/trips/ID/finish", "/health")


def application(city: City, gate: Gate, rng: random.Random) -> Application:
    """The gateway's paths as a Tornado application."""
    base = {"city": city, "gate": gate, "rng": rng}
    return Application(
        [
            (r"/quotes", Quotes, base),
            (r"/trips", Trips, base),
            (r"/trips/([^/]{1,64})", Trip, base),
            (r"/trips/([^/]{1,64})/(start|finish)", TripStep, base),
            (r"/health", Health, base),
        ],
        default_handler_class=NotFound,
        default_handler_args=base,
        log_function=lambda handler: None,  # calls are counted and logged by the mesh
    )
