"""A network inside the process: the same protocols as over TCP, without a socket, with faults at hand.

Bytes are delivered on later loop turns and in order, so that code which works here by luck of being synchronous does
not. `latency_s` delays every delivery; `cut()` breaks connections as a pulled cable or a killed process does.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

from mesh.net import split_address

SEGMENT_BYTES = 64 * 1024  # what one delivery carries at most, as a socket's read would


class MemoryTransport(asyncio.Transport):
    """One end of a connection. The other end's `_deliver` gets what is written here."""

    def __init__(self, network: MemoryNetwork, own: str, peer: str) -> None:
        super().__init__({"peername": split_address(peer), "sockname": split_address(own)})
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.Protocol | None = None
        self.other: MemoryTransport | None = None
        self._underway: deque[bytes | None] = deque()  # written here, not arrived; None is the end
        self._incoming: deque[bytes] = deque()  # arrived while reading was paused
        self._in_transit = 0  # bytes written here that the other side has not taken
        self._high, self._low = 64 * 1024, 16 * 1024
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self._lost = False
        self._eof_arrived = False

    # -- what the protocol's owner calls

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def write(self, data: Any) -> None:
        if self._closing or self._lost or not data:
            return
        data = bytes(data)
        for start in range(0, len(data), SEGMENT_BYTES):
            segment = data[start : start + SEGMENT_BYTES]
            self._in_transit += len(segment)
            self._send(segment)
        if self._in_transit > self._high and not self._writing_paused:
            self._writing_paused = True
            self.get_protocol().pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return self._in_transit

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False
        self._loop.call_soon(self._take_waiting)

    def is_reading(self) -> bool:
        return not self._reading_paused

    def is_closing(self) -> bool:
        return self._closing or self._lost

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """What was written is still delivered, then the other side sees the end."""
        if not self._closing:
            self._closing = True
            self._send(None)

    def abort(self) -> None:
        self.break_off(ConnectionAbortedError("aborted"))

    def break_off(self, error: Exception | None) -> None:
        """Both sides lose the connection now; what is in transit is lost."""
        for side in (self, self.other):
            if side is not None and not side._lost:
                side._closing = True
                side._lost = True
                side._loop.call_soon(side.get_protocol().connection_lost, error)
        self._network.forget(self)

    # -- delivery

    def _send(self, segment: bytes | None) -> None:
        # A queue beside the timers: timers of one moment fire in any order.
        self._underway.append(segment)
        if self._network.latency_s:
            self._loop.call_later(self._network.latency_s, self._arrive)
        else:
            self._loop.call_soon(self._arrive)

    def _arrive(self) -> None:
        segment = self._underway.popleft()
        other = self.other
        if other is None or other._lost:
            return
        if segment is None:
            other._eof_arrived = True
        else:
            other._incoming.append(segment)
        other._take_waiting()

    def _take_waiting(self) -> None:
        while self._incoming and not self._reading_paused and not self._lost:
            segment = self._incoming.popleft()
            self.get_protocol().data_received(segment)  # type: ignore[attr-defined]
            if self.other is not None:
                self.other._taken(len(segment))
        if self._eof_arrived and not self._incoming and not self._lost:
            self.break_off(None)

    def _taken(self, count: int) -> None:
        self._in_transit -= count
        if self._writing_paused and self._in_transit <= self._low and not self._lost:
            self._writing_paused = False
            self.get_protocol().resume_writing()


class MemoryListener:
    def __init__(self, network: MemoryNetwork, address: str, factory: Callable[[], asyncio.Protocol]) -> None:
        self._network = network
        self.address = address
        self.factory = factory

    async def close(self) -> None:
        self._network.listeners.pop(self.address, None)


class MemoryNetwork:
    """Listeners and connections of one test. A `mesh.net.Network`."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.listeners: dict[str, MemoryListener] = {}
        self._connections: dict[MemoryTransport, str] = {}  # dialling end -> the address it dialled
        self._ports = itertools.count(20_000)

    async def listen(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> MemoryListener:
        host, port = split_address(address)
        bound = f"{host}:{port or next(self._ports)}"
        if bound in self.listeners:
            raise OSError(98, f"address {bound} is in use")
        self.listeners[bound] = MemoryListener(self, bound, factory)
        return self.listeners[bound]

    async def dial(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> asyncio.Protocol:
        await asyncio.sleep(self.latency_s)
        listener = self.listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(111, f"nobody listens at {address}")
        near = MemoryTransport(self, f"127.0.0.1:{next(self._ports)}", address)
        far = MemoryTransport(self, address, f"127.0.0.1:{near.get_extra_info('sockname')[1]}")
        near.other, far.other = far, near
        protocol, accepted = factory(), listener.factory()
        near.set_protocol(protocol)
        far.set_protocol(accepted)
        self._connections[near] = address
        accepted.connection_made(far)
        protocol.connection_made(near)
        return protocol

    def forget(self, transport: MemoryTransport) -> None:
        self._connections.pop(transport, None)
        if transport.other is not None:
            self._connections.pop(transport.other, None)

    @property
    def connections(self) -> int:
        """Connections that stand."""
        return len(self._connections)

    def cut(self, address: str | None = None) -> int:
        """Breaks the connections to `address` (all by default) and gives their number. Listeners stay."""
        chosen = [near for near, dialled in self._connections.items() if address in (None, dialled)]
        for near in chosen:
            near.break_off(ConnectionResetError(104, "connection reset by peer"))
        return len(chosen)
