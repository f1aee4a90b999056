"""One connection to a server of framed Thrift: dialled, used for one call after the other, closed when in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from mesh.net.framed.headers import DRAINING
from mesh.net.framed.keepalive import keep_alive
from mesh.net.links import Links, row
from mesh.net.network import remote_of
from mesh.net.running import Running
from mesh.wire import Limits
from mesh.wire.thrift import Answered, ClientConnection, Closed, Form

_NOTHING: Mapping[int, Running] = {}


class FramedCaller(asyncio.Protocol):
    """`call` gives the answer, or why the connection ended in its place."""

    dialler = True
    peer = None
    serving = _NOTHING

    def __init__(self, form: Form, limits: Limits, owner: Links) -> None:
        self._wire = ClientConnection(form, limits)
        self._limits = limits
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answered | Closed] | None = None
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[str] = self.loop.create_future()
        self.protocol: str = form
        self.draining: str | None = None  # the peer's reason for taking no more calls
        self.remote = "?"
        self.bytes_received = 0
        self.bytes_sent = 0

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.remote = remote_of(transport)
        keep_alive(transport, self._limits)
        self._owner.connected(self)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        if self.gone.done():
            return
        event = self._wire.receive(data)
        if isinstance(event, Closed):
            self._answer(event)
            self.close(event.reason)
        elif event is not None:
            self.draining = event.texts.get(DRAINING)
            self._answer(event)

    def eof_received(self) -> bool:
        self.close("the peer closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the connection was closed")

    def _answer(self, answer: Answered | Closed) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _end(self, reason: str) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
            self._owner.closed(self, reason)
            self._answer(Closed(reason))

    # -- for the pool and the leaf

    @property
    def usable(self) -> bool:
        """Whether it stands and nobody waits on it."""
        transport = self._transport
        return not self.gone.done() and self._waiting is None and transport is not None and not transport.is_closing()

    async def call(
        self, service: str, method: str, body: bytes, texts: Mapping[str, str], *, oneway: bool
    ) -> Answered | Closed | None:
        """None: a oneway call, which was written. Raises CallRefused when it can never be sent.

        Who gives up takes the connection with it: nothing else keeps a late answer from the next caller.
        """
        frame = self._wire.call(service, method, body, texts, oneway=oneway)
        assert self._transport is not None
        self.bytes_sent += len(frame)
        if not oneway:
            self._waiting = self.loop.create_future()
        waiting = self._waiting
        self._transport.write(frame)
        if waiting is None:
            return None
        try:
            return await waiting
        except asyncio.CancelledError:
            self.close("its caller gave up")
            raise

    def close(self, reason: str) -> None:
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()  # nothing that is still unsent or unread is of use to anybody

    def finish(self, reason: str) -> None:
        """Ends a connection that nobody waits on; what was written still leaves."""
        self._end(reason)
        if self._transport is not None:
            self._transport.close()

    # -- what every connection in the list has

    def flush(self) -> None:
        """Writes at once."""

    def drain(self, reason: str) -> None:
        """Only what came in is drained."""

    async def round_trip(self) -> None:
        """Nothing in the protocol asks the peer for a sign."""

    def describe(self) -> dict[str, object]:
        """For /debug/connections."""
        return row(self, calls_out=int(self._waiting is not None), draining=self.draining)
