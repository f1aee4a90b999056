"""The listening side: a port of its own, or a socket inherited from a parent that several instances share.

Stopping loses no request: first the door closes and answers say so, then what is under way ends, then idle
connections go.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from services.gateway.answering import Gate

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024  # the largest request, a trip, has about 300 bytes
MAX_HEADER_BYTES = 16 * 1024
IDLE_S = 75.0  # a little more than load balancers keep connections, so that they hang up first
# Clients that keep connections open learn from an answer that this one closes; the busy ones within this time.
FAREWELL_S = 1.0
DRAIN_S = 8.0  # longer than the longest deadline of a method behind the gateway, shorter than a supervisor waits


def open_sockets(address: str, inherited: str | None) -> list[socket.socket]:
    """Sockets that listen: the inherited file descriptor, else HOST:PORT. Raises OSError, ValueError."""
    if inherited is not None:
        shared = socket.socket(fileno=int(inherited))
        shared.setblocking(False)
        return [shared]
    host, _, port = address.rpartition(":")
    return bind_sockets(int(port), host.strip("[]"), backlog=1024)


class HttpServer:
    """An async context manager for `node.attach`."""

    def __init__(
        self, application: Application, gate: Gate, sockets: list[socket.socket], farewell_s: float = FAREWELL_S
    ) -> None:
        self._application = application
        self._gate = gate
        self._sockets = sockets
        self._farewell_s = farewell_s
        host, port = sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    async def __aenter__(self) -> HttpServer:
        self._server = HTTPServer(
            self._application,
            max_body_size=MAX_BODY_BYTES,
            max_buffer_size=MAX_BODY_BYTES + MAX_HEADER_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            idle_connection_timeout=IDLE_S,
            body_timeout=10.0,  # a request of one packet that takes longer is no request
        )
        self._server.add_sockets(self._sockets)
        log.info("the gateway answers at http://%s", self.address)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._gate.closing = True
        self._server.stop()
        await asyncio.sleep(self._farewell_s)
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._gate.empty()
        except TimeoutError:
            log.warning("%d requests still under way after %g s; they are cut off", self._gate.inside, DRAIN_S)
        await self._server.close_all_connections()
