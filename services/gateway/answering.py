"""One HTTP request, from its trace to its answer, whatever comes of it.

One rule: every answer is JSON and says its trace, and a failure's status comes from the mesh's one error table.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tornado.web import HTTPError, RequestHandler

import mesh
from mesh.call import trace as traces
from mesh.errors import Busy, MeshError
from services.gateway.models import Refused
from services.gateway.remote import City

log = logging.getLogger(__name__)

# Requests answered at a time. Above it the callers' deadlines pass in the queue; behind a shared port others are free.
MAX_IN_FLIGHT = 256
DEADLINE_HEADER = "X-Deadline-Ms"
MAX_DEADLINE_MS = 30_000  # as long as anybody waits for a web page


class Gate:
    """Who is inside, and whether the door is closing."""

    def __init__(self, limit: int = MAX_IN_FLIGHT) -> None:
        self.limit = limit
        self.inside = 0
        self.closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        if self.inside >= self.limit:
            raise Busy(f"{self.inside} requests are being answered already")
        self.inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.inside -= 1
            if not self.inside:
                self._empty.set()

    async def empty(self) -> None:
        await self._empty.wait()


class Answering(RequestHandler):
    """The base of every handler."""

    def initialize(self, city: City, gate: Gate, rng: random.Random) -> None:
        self._city = city
        self._gate = gate
        self._work: asyncio.Task[dict[str, Any]] | None = None
        self._gone = False
        parent = traces.from_traceparent(self.request.headers.get("traceparent", ""))
        self.trace = parent.child(rng) if parent else traces.root(rng)

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def answer(self, work: Callable[[], Awaitable[dict[str, Any]]], status: int = 200) -> None:
        """Answers with what `work` gives, or with why it could not."""
        try:
            with self._gate.entered(), mesh.tracing(self.trace), self._deadline():
                self._work = asyncio.ensure_future(_awaited(work))
                body = await self._work
        except Refused as error:
            self._fail(error.status, error.error, error.message, **error.details)
        except MeshError as error:
            self._fail_of_mesh(error)
        except asyncio.CancelledError:
            if not self._gone:
                raise
        except Exception:
            log.exception("answering %s %s failed, trace %s", self.request.method, self.request.path, self.trace.id)
            self._fail(500, "unexpected", "the gateway failed; its log has the trace id and the stack")
        else:
            self._send(status, body)

    def on_connection_close(self) -> None:
        # Nobody waits for the answer: what is done for it further down is cancelled.
        self._gone = True
        if self._work is not None:
            self._work.cancel()

    def body(self) -> bytes:
        """The request's body. Raises Refused for one that does not say it is JSON."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if self.request.body and kind != "application/json":
            raise Refused(415, "unsupported_media_type", f"expected application/json, got {kind or 'none'}")
        return self.request.body

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What Tornado itself refuses: unknown paths and methods, broken requests."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        reason = error.log_message if isinstance(error, HTTPError) and error.log_message else self._reason
        self._fail(status_code, self._reason.lower().replace(" ", "_"), reason)

    def _deadline(self) -> contextlib.AbstractContextManager[Any]:
        text = self.request.headers.get(DEADLINE_HEADER)
        if text is None:
            return contextlib.nullcontext()
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MAX_DEADLINE_MS):
            raise Refused(400, "bad_request", f"{DEADLINE_HEADER}: expected 1 to {MAX_DEADLINE_MS}, got {text[:20]!r}")
        return mesh.deadline(ms=int(text))

    def _fail_of_mesh(self, error: MeshError) -> None:
        kind = error.kind
        level = logging.INFO if kind.http < 500 else logging.WARNING
        log.log(level, "%s %s: %s, trace %s", self.request.method, self.request.path, error, self.trace.id)
        # The reason of a bad request is the client's to see; others may tell of the inside.
        self._fail(kind.http, kind.name, error.reason if kind.http == 400 else kind.advice)

    def _fail(self, status: int, error: str, message: str, **details: Any) -> None:
        self._send(status, {"error": error, "message": message, "trace_id": self.trace.id, **details})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("traceparent", self.trace.to_traceparent())
        if self._gate.closing:
            self.set_header("Connection", "close")  # the next request finds another instance
        self.finish(json.dumps(body, separators=(",", ":")))


async def _awaited(work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    return await work()
