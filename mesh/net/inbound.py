"""The server's side of a connection: from a call that came in to the stack of its method, and the answer back.

One rule: every call that came in is answered exactly once, or its connection is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mesh.call import OK, Call, Clock, Reply, Service, TimerWheel
from mesh.contract.model import Method
from mesh.errors import (
    BadRequest,
    Busy,
    CallTimeout,
    Cancelled,
    Declined,
    MeshError,
    Unexpected,
    UnknownMethod,
    UnknownService,
)
from mesh.net import eager
from mesh.net.link import Link
from mesh.net.links import Standing
from mesh.net.mapping import NO_HEADERS, reply_arg2, take_headers
from mesh.net.running import Running
from mesh.wire import CallReceived
from mesh.wire.faults import HeaderError

log = logging.getLogger("mesh.net")

# Bodies of one connection's calls under way. Each is within the message limit, but thousands of them may be in handlers
# at once: 32 of the longest are more than any caller needs side by side, and what a process can hold for a few callers.
MAX_SERVING_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """One method that is served, with its built stack."""

    method: Method
    service: Service


# By service name and arg1, as they come off the wire.
Routes = Mapping[tuple[str, bytes], Route]


class Caller(Protocol):
    """The connection that a call came over, of whatever protocol: what it needs for the answer."""

    serving: dict[int, Running]
    serving_bytes: int

    def respond(self, call_id: int, ok: bool, arg2: bytes, arg3: bytes) -> None: ...
    def respond_error(self, call_id: int, code: int, message: str) -> None: ...


class Dispatcher:
    """Serves the calls of every link of a node. `routes` may grow while it runs."""

    def __init__(self, routes: Routes, clock: Clock, wheel: TimerWheel) -> None:
        self._routes = routes
        self._wheel = wheel
        self._now = clock.now
        self._loop = asyncio.get_running_loop()
        self._draining: str | None = None
        self._idle: asyncio.Event | None = None  # made for who waits for the end
        self._stopping = False
        self.in_flight = 0

    def call_received(self, link: Link, event: CallReceived) -> None:
        route = self._routes.get((event.service, event.arg1))
        if route is None or self._draining is not None:
            self._refuse(link, event.id, self._no_route(event))
            return
        try:
            if event.headers["as"] != "thrift":
                raise BadRequest(f"arg scheme {event.headers['as']!r} is not served here; use 'thrift'")
            now = self._now()
            call = Call(
                route.method,
                event.arg3,
                event.service,
                event.headers["cn"],
                now + event.ttl_ms / 1000,
                event.tracing,
                link.remote,
            )
            call.started = now
            if event.arg2 != NO_HEADERS or len(event.headers) > 2:
                take_headers(call, event)
        except MeshError as error:
            self._refuse(link, event.id, error)
            return
        except HeaderError as error:
            self._refuse(link, event.id, BadRequest(f"application headers: {error}"))
            return
        refused = self._begin(link, event.id, call, route.service)
        if refused is not None:
            self._refuse(link, event.id, refused)

    def start(self, link: Caller, call_id: int, call: Call, service: Service) -> MeshError | None:
        """Serves a call that came by another protocol. `call.deadline` is set. Returns why it does not."""
        if self._draining is not None:
            return Declined(f"draining: {self._draining}")
        return self._begin(link, call_id, call, service)

    def _begin(self, link: Caller, call_id: int, call: Call, service: Service) -> MeshError | None:
        size = len(call.body)
        if link.serving_bytes + size > MAX_SERVING_BYTES:
            return Busy(f"calls of this connection hold {link.serving_bytes} bytes already")
        self.in_flight += 1
        link.serving_bytes += size
        link.serving[call_id] = call.driver = running = Running(self._wheel)
        running.task = task = eager.start(self._loop, self._serve(link, call_id, running, call, service))
        if task is not None:  # it waits for something: from here on its deadline has to be watched
            assert call.deadline is not None
            running.watch(call.deadline)
        return None

    async def _serve(self, link: Caller, call_id: int, running: Running, call: Call, service: Service) -> None:
        try:
            reply = await service(call)
        except asyncio.CancelledError:
            if running.expired:
                reply = Reply(CallTimeout("no answer within the deadline"))
            elif running.asked is None:
                log.error("%s: the handler was cancelled from inside", call.method.wire_name)
                reply = Reply(Unexpected("the handler was cancelled from inside"))
            elif self._stopping:  # no wish of the caller's: it should read a failure, and may repeat it
                reply = Reply(Unexpected("stopped while shutting down"))
            else:
                reply = Reply(Cancelled("cancelled"))
        except Exception:  # a filter's own bug: the handler's are caught in its leaf
            log.exception("%s: the server's stack raised", call.method.wire_name)
            reply = Reply(Unexpected("internal error"))
        if running.waits:
            running.cancel()
        self.in_flight -= 1
        link.serving_bytes -= len(call.body)
        if self._idle is not None and not self.in_flight:
            self._idle.set()
        if link.serving.get(call_id) is not running:
            return  # the connection went meanwhile, or the caller uses the number again after its ttl
        del link.serving[call_id]
        outcome = reply.outcome
        if isinstance(outcome, MeshError):
            self._refuse(link, call_id, outcome)
            return
        try:
            arg2 = reply_arg2(reply.headers)
        except HeaderError as error:
            log.error("%s: its reply headers cannot be sent: %s", call.method.wire_name, error)
            self._refuse(link, call_id, Unexpected("the handler's reply headers cannot be sent"))
            return
        link.respond(call_id, outcome is OK, arg2, reply.body)

    def _refuse(self, link: Caller, call_id: int, error: MeshError) -> None:
        link.respond_error(call_id, error.kind.wire, error.reason)

    def _no_route(self, event: CallReceived) -> MeshError:
        if self._draining is not None:
            return Declined(f"draining: {self._draining}")
        methods = sorted(arg1.decode("utf-8", "replace") for name, arg1 in self._routes if name == event.service)
        if not methods:
            served = ", ".join(sorted({name for name, _ in self._routes})) or "nothing"
            return UnknownService(f"unknown service {event.service!r}; served here: {served}")
        asked = event.arg1[:200].decode("utf-8", "replace")
        return UnknownMethod(f"unknown method {asked!r}; {event.service} has {', '.join(methods)}")

    def cancel_received(self, link: Caller, call_id: int, why: str) -> None:
        running = link.serving.get(call_id)
        if running is not None:
            running.stop(why)

    def link_closed(self, link: Caller) -> None:
        """Nobody hears the answers any more: the handlers stop, and with them what they called."""
        serving = list(link.serving.values())
        link.serving.clear()
        for running in serving:
            running.stop("the caller's connection is gone")

    # -- stopping

    def drain(self, reason: str) -> None:
        """New calls are declined (safe to repeat elsewhere) from here on."""
        self._draining = reason

    async def finished(self) -> None:
        """Returns when no call is under way."""
        while self.in_flight:
            self._idle = self._idle or asyncio.Event()
            self._idle.clear()
            await self._idle.wait()

    def stop(self, links: Iterable[Standing]) -> None:
        """Cancels what is still under way; their callers are told."""
        self._stopping = True
        for link in links:
            for running in list(link.serving.values()):
                running.stop("the node stops")
