"""A connection that was accepted, until its first bytes say what it speaks.

One rule: only framed Thrift is looked for here. Everything else goes to a TChannel link as soon as it cannot be that,
which looks further and tells strangers what they are; so a TChannel connection pays for its first bytes and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from mesh.call import Clock, Timer
from mesh.net.links import Links
from mesh.net.network import remote_of
from mesh.net.running import Running
from mesh.wire import Limits
from mesh.wire.sniff import framed_thrift

_NOTHING: Mapping[int, Running] = {}


class Arrival(asyncio.Protocol):
    """`tchannel` and `framed` make the protocol that takes over."""

    dialler = False
    serving = _NOTHING
    bytes_sent = 0

    def __init__(
        self,
        *,
        tchannel: Callable[[], asyncio.Protocol],
        framed: Callable[[], asyncio.Protocol],
        limits: Limits,
        clock: Clock,
        owner: Links,
    ) -> None:
        self._tchannel = tchannel
        self._framed = framed
        self._limits = limits
        self._clock = clock
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._timer: Timer | None = None
        self._first = b""
        self._over = False
        self.remote = "?"
        self.bytes_received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.remote = remote_of(transport)
        if not self._owner.connected(self):
            self.close("too many connections")
            return
        self._timer = self._clock.call_at(self._clock.now() + self._limits.handshake_s, self._late)

    def data_received(self, data: bytes) -> None:
        self._first += data
        self.bytes_received += len(data)
        is_framed = framed_thrift(self._first)
        if is_framed is None or self._over:
            return
        transport, first = self._transport, self._first
        assert transport is not None
        self._leave()
        self._owner.known(self)
        protocol = self._framed() if is_framed else self._tchannel()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)

    def _late(self) -> None:
        said = f"only {len(self._first)} bytes" if self._first else "no byte"
        self.close(f"{said} from the peer within {self._limits.handshake_s:g} s")

    def eof_received(self) -> bool:
        self._end("the peer closed the connection before the handshake was over")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the connection was closed before the handshake was over")

    def close(self, reason: str) -> None:
        self._end(reason)
        if self._transport is not None:
            self._transport.close()

    def _end(self, reason: str) -> None:
        if not self._over:
            self._leave()
            self._owner.closed(self, reason)

    def _leave(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
