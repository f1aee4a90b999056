"""The server's side of a connection: from a call that came in to the stack of its method, and the answer back.

One rule: every call that came in is answered exactly once, or its connection is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from mesh.call import OK, Call, Clock, Declared, Reply, Service
from mesh.contract.model import Method
from mesh.errors import BadRequest, Cancelled, Declined, MeshError, Unexpected, UnknownMethod, UnknownService
from mesh.net import eager
from mesh.net.link import Link
from mesh.net.mapping import reply_arg2, to_call
from mesh.wire import CallReceived
from mesh.wire.faults import HeaderError

log = logging.getLogger("mesh.net")


@dataclass(frozen=True, slots=True)
class Route:
    """One method that is served, with its built stack."""

    method: Method
    service: Service


# By service name and arg1, as they come off the wire.
Routes = Mapping[tuple[str, bytes], Route]


class Dispatcher:
    """Serves the calls of every link of a node. `routes` may grow while it runs."""

    def __init__(self, routes: Routes, clock: Clock) -> None:
        self._routes = routes
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
            call = to_call(event, route.method, self._now() + event.ttl_ms / 1000, link.remote)
        except MeshError as error:
            self._refuse(link, event.id, error)
            return
        except HeaderError as error:
            self._refuse(link, event.id, BadRequest(f"application headers: {error}"))
            return
        call_id = event.id
        self.in_flight += 1
        link.serving[call_id] = None
        task = eager.start(self._loop, self._serve(link, call_id, call, route.service))
        if task is not None and call_id in link.serving:
            link.serving[call_id] = task

    async def _serve(self, link: Link, call_id: int, call: Call, service: Service) -> None:
        try:
            reply = await service(call)
        except asyncio.CancelledError:
            # The node's own stop is no wish of the caller's: it should read it as a failure, and may repeat it.
            error = Unexpected("stopped while shutting down") if self._stopping else Cancelled("cancelled")
            reply = Reply(error)
        except Exception:  # a filter's own bug: the handler's are caught in its leaf
            log.exception("%s: the server's stack raised", call.method.wire_name)
            reply = Reply(Unexpected("internal error"))
        self.in_flight -= 1
        if self._idle is not None and not self.in_flight:
            self._idle.set()
        if link.serving.pop(call_id, self) is self:
            return  # the connection went meanwhile
        outcome = reply.outcome
        if outcome is OK or isinstance(outcome, Declared):
            try:
                arg2 = reply_arg2(reply.headers)
            except HeaderError as error:
                log.error("%s: its reply headers cannot be sent: %s", call.method.wire_name, error)
                self._refuse(link, call_id, Unexpected("the handler's reply headers cannot be sent"))
                return
            link.respond(call_id, ok=outcome is OK, arg2=arg2, arg3=reply.body)
        else:
            self._refuse(link, call_id, outcome)  # type: ignore[arg-type]  # what is left is a MeshError

    def _refuse(self, link: Link, call_id: int, error: MeshError) -> None:
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

    def cancel_received(self, link: Link, call_id: int, why: str) -> None:
        task = link.serving.get(call_id)
        if task is not None:
            task.cancel(why)

    def link_closed(self, link: Link) -> None:
        """Nobody hears the answers any more: the handlers stop, and with them what they called."""
        tasks = [task for task in link.serving.values() if task is not None]
        link.serving.clear()
        for task in tasks:
            task.cancel("the caller's connection is gone")

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

    def stop(self, links: list[Link]) -> None:
        """Cancels what is still under way; their callers are told."""
        self._stopping = True
        for link in links:
            for task in list(link.serving.values()):
                if task is not None:
                    task.cancel("the node stops")
