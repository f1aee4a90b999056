"""Steady traffic with a book of every call: half of it not idempotent over RPC, half through the HTTP gateway.

One rule: an open loop. A call is sent at its time whatever became of the ones before, so that a stall shows as what it
is and not as less traffic.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from idl import interop
from mesh.errors import MeshError
from mesh.node import Node
from tests.drills.http import post

# Far above any deadline in the contracts: the drills see the mesh's own time-outs and never the HTTP client's.
HTTP_TIMEOUT_S = 20.0
# Inside the city on every side; at this hour most drivers are on duty.
LATITUDES, LONGITUDES, HOUR = (45.48, 45.56), (-73.64, -73.56), 17
# What a call may answer: a declared exception is an answer. Everything else failed.
ANSWERS = ("ok", "HTTP 409 no_driver")


@dataclass(slots=True)
class Sent:
    """One call. `code` is "ok", a row of the error table, an HTTP status with the gateway's word, or a Python error."""

    id: str
    kind: str
    begun: float
    ended: float = 0.0
    code: str = "in flight"
    peer: str = ""
    detail: str = ""


@dataclass
class Book:
    """Everything that was sent."""

    calls: list[Sent] = field(default_factory=list)

    @property
    def failed(self) -> list[Sent]:
        return [call for call in self.calls if call.code not in ANSWERS]

    def report(self) -> str:
        """A line per kind, then a line per kind and code of what failed."""
        lines = []
        for kind in sorted({call.kind for call in self.calls}):
            codes = Counter(call.code for call in self.calls if call.kind == kind)
            ok = sum(codes.pop(answer, 0) for answer in ANSWERS)
            times = sorted(call.ended - call.begun for call in self.calls if call.kind == kind and call.code == "ok")
            p99 = f"{times[int(len(times) * 0.99)] * 1000:.0f} ms" if times else "-"
            lines.append(f"  {kind:<22} sent {ok + codes.total():>6}  ok {ok:>6}  failed {codes.total():>4}  p99 {p99}")
            lines.extend(f"    {code}: {count}" for code, count in codes.most_common())
        examples = {(call.kind, call.code): call for call in reversed(self.failed)}
        lines += [f"  e.g. {kind} {code}: {call.detail[:300]}" for (kind, code), call in examples.items()]
        return "\n".join(lines)


class Traffic:
    """`async with Traffic(node, gateway, rate_per_s, rng):` sends until the block ends, and then waits for the rest.

    `gateway` is HOST:PORT. Half of the calls are `Echo::tick` (not idempotent); of the other half most are quotes, and
    one in twenty begins a whole trip, so that every service of the city has work.
    """

    def __init__(self, node: Node, gateway: str, rate_per_s: float, rng: random.Random) -> None:
        self.book = Book()
        self._echo = node.client(interop.Echo, service="echo")
        self._gateway = gateway
        self._rate = rate_per_s
        self._rng = rng
        self._under_way: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)
        self._run = f"{rng.getrandbits(32):08x}"
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Traffic:
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._sending is not None
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        await asyncio.gather(*self._under_way)

    async def _send(self) -> None:
        begun = time.monotonic()
        for number in itertools.count():
            delay = begun + number / self._rate - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            if number % 2:
                self._start("rpc tick", self._tick)
            elif number % 40:
                self._start("http quote", self._quote)
            else:
                self._spawn(self._trip())

    def _start(self, kind: str, work: Callable[[Sent], Awaitable[None]]) -> None:
        self._spawn(self._counted(kind, work))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _counted(self, kind: str, work: Callable[[Sent], Awaitable[None]]) -> None:
        sent = Sent(f"{self._run}-{next(self._ids)}", kind, time.monotonic())
        self.book.calls.append(sent)
        try:
            await work(sent)
            sent.code = "ok"
        except MeshError as error:
            sent.code, sent.peer, sent.detail = error.kind.name, error.peer or "", str(error)
        except _Refused as error:
            sent.code, sent.detail = error.args
        except Exception as error:
            sent.code, sent.detail = type(error).__name__, str(error)
        sent.ended = time.monotonic()

    async def _tick(self, sent: Sent) -> None:
        await self._echo.tick(sent.id)

    async def _quote(self, sent: Sent) -> None:
        await self._post("/quotes", self._route())

    async def _trip(self) -> None:
        """Quote, request, start, finish: each counts as a call of its own; a failed one ends the trip."""
        route, trip = self._route(), f"t-{self._run}-{next(self._ids)}"
        steps: list[tuple[str, str, dict[str, object]]] = [
            ("http quote", "/quotes", {}),
            ("http trip request", "/trips", {}),
            ("http trip start", f"/trips/{trip}/start", {}),
            ("http trip finish", f"/trips/{trip}/finish", {}),
        ]
        fare = 0
        for kind, path, body in steps:
            if path == "/quotes":
                body = route
            if path == "/trips":
                body = {**route, "trip_id": trip, "rider_id": "drill", "fare_cents": fare}
            answers: list[dict[str, object]] = []

            async def step(sent: Sent, path: str = path, body: dict[str, object] = body) -> None:
                answers.append(await self._post(path, body))  # noqa: B023

            await self._counted(kind, step)
            if not answers:
                return
            fare = int(str(answers[0].get("fare_cents", 0)))

    def _route(self) -> dict[str, object]:
        pickup, dropoff = (
            {"lat": round(self._rng.uniform(*LATITUDES), 5), "lon": round(self._rng.uniform(*LONGITUDES), 5)}
            for _ in range(2)
        )
        return {"pickup": pickup, "dropoff": dropoff, "hour": HOUR}

    async def _post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        code, content = await post(self._gateway, path, body or None, HTTP_TIMEOUT_S)
        if code >= 400:
            raise _Refused(f"HTTP {code} {content['error']}", json.dumps(content))
        return content


class _Refused(Exception):
    """An HTTP answer that is a failure: code, text."""
