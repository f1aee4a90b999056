"""The server half of a node: routes, the listener, the connections that came in, and leaving without losing a call."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from mesh.call import Clock, Reply, Stack, TimerWheel
from mesh.contract.model import Method, Service
from mesh.errors import BadRequest
from mesh.filters import CallMetrics
from mesh.net import Dispatcher, Links, Names, Route, Speaking
from mesh.node.handler import check_handler, handler_leaf
from mesh.node.threads import HandlerThreads
from mesh.node.usage import Usage
from mesh.stacks import server_stack

log = logging.getLogger("mesh.node")

# For a caller to answer a ping. Ours do at once, unless their loop is held up for seconds; some foreign ones never do.
MESH_PONG_S = 5.0
FOREIGN_PONG_S = 1.0
CANCEL_S = 1.0  # for handlers to end after they were cancelled; one that does not is left to the process's end


class Serving:
    """What this node serves. `stack` is the page; replace it before `serve` to put a filter in."""

    def __init__(
        self,
        *,
        clock: Clock,
        wheel: TimerWheel,
        rng: random.Random,
        calls: CallMetrics,
        threads: HandlerThreads,
        links: Links,
        usage: Usage,
    ) -> None:
        self._routes: dict[tuple[str, bytes], Route] = {}
        self._framed_routes: dict[tuple[str, bytes], Route] = {}  # the same, with the oneway methods served
        self._threads = threads
        self.stack: Stack = server_stack(clock=clock, wheel=wheel, rng=rng, calls=calls)
        self.dispatcher = Dispatcher(self._routes, clock, wheel)
        self.names = Names(self._framed_routes)
        self._links = links
        self._usage = usage
        self.services: dict[str, Service] = {}  # by the name they are registered and called under

    def serve(self, service: Service, handler: object, name: str, meta: tuple[Service, object]) -> None:
        """Routes the methods of `service`, and those of Meta, called under `name`. Raises TypeError, ValueError."""
        check_handler(service, handler)
        if name in self.services:
            raise ValueError(f"{name!r} is served already, by {self.services[name].name}; give the other a name=")
        self.services[name] = service
        self._usage.serves(name, service)
        for each, target in ((service, handler), meta):
            for method in each.methods.values():
                function = getattr(target, method.name)
                self._route(name, method, self._usage.watched(name, each, method, function))

    def _route(self, name: str, method: Method, function: Any) -> None:
        key = (name, method.wire_name.encode())
        served = Route(method, self.stack.build(name, method, handler_leaf(method, function, self._threads)))
        self._framed_routes[key] = served
        self._routes[key] = Route(method, self.stack.build(name, method, _no_oneway)) if method.oneway else served

    async def drain(self, reason: str, drain_s: float) -> None:
        """Takes no new calls, lets those under way finish for `drain_s`, cancels the rest, closes the connections."""
        self.dispatcher.drain(reason)
        links = self._links.incoming()
        for link in links:
            link.drain(reason)
        try:
            async with asyncio.timeout(drain_s):
                # A call that its caller sent before it read the drain frame may still be on its way. Closing now would
                # leave the caller not knowing whether it ran. Once a ping is answered, nothing can be on its way.
                await asyncio.gather(*(_heard(link) for link in links))
                await self.dispatcher.finished()
        except TimeoutError:
            log.warning("%d calls had not finished after %.0f ms; cancelled", self.dispatcher.in_flight, drain_s * 1000)
            self.dispatcher.stop(list(self._links))
            try:
                async with asyncio.timeout(CANCEL_S):
                    await self.dispatcher.finished()
            except TimeoutError:
                log.error("%d handlers ignore their cancellation", self.dispatcher.in_flight)
        for link in self._links.incoming():
            link.close(reason)


async def _heard(link: Speaking) -> None:
    try:
        async with asyncio.timeout(MESH_PONG_S if link.peer is not None and link.peer.is_mesh else FOREIGN_PONG_S):
            await link.round_trip()
    except TimeoutError:
        pass


async def _no_oneway(call: Any) -> Reply:
    return Reply(BadRequest("TChannel carries no oneway methods; call it over framed Thrift, or give it a void result"))
