"""One TChannel connection on the loop: bytes between a transport and the wire's state machine.

One rule: a link decides nothing about calls. Whoever answers the peer's calls (`Inbound`) and whoever waits for ours
(a future per call) gets the wire's events as they are.
"""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import Protocol, cast

from mesh.call import Clock, Timer
from mesh.net.network import close_in_time, remote_of
from mesh.net.running import Running
from mesh.wire import (
    CallExpired,
    CallReceived,
    CancelReceived,
    Connection,
    ConnectionClosed,
    DrainReceived,
    ErrorReceived,
    Event,
    HandshakeDone,
    Identity,
    Limits,
    PeerInfo,
    PongReceived,
    ResponseReceived,
    ResponseTooLarge,
)

log = logging.getLogger("mesh.net")

# Unsent bytes for one peer that does not read. Above the wire's high mark its requests are no longer read and our own
# calls wait, so only pings, refusals and what was under way can add to it: eight of the longest messages.
MAX_UNREAD_BYTES = 64 * 1024 * 1024


class Inbound(Protocol):
    """Who serves the calls that come in over a link."""

    def call_received(self, link: Link, event: CallReceived) -> None: ...
    def cancel_received(self, link: Link, call_id: int, why: str) -> None: ...
    def link_closed(self, link: Link) -> None: ...


class Owner(Protocol):
    """Who keeps the list of links."""

    def connected(self, link: Link) -> bool:
        """The socket stands; False when there are too many."""
        ...

    def opened(self, link: Link) -> None: ...
    def closed(self, link: Link, reason: str) -> None: ...

    def plan_flush(self, link: Link) -> None:
        """`link.flush()` is to be called at the end of this loop turn."""
        ...


Answer = ResponseReceived | ErrorReceived | ConnectionClosed
# An answer comes with whether its call's bytes had left when the connection ended (meaningless for the others).
Waiting = asyncio.Future[tuple[Answer, bool]]


class Link(asyncio.Protocol):
    """A connection, dialled or accepted. Both sides may call over it once the handshake is over."""

    protocol = "tchannel"

    def __init__(
        self,
        *,
        dialler: bool,
        local: Identity,
        limits: Limits,
        clock: Clock,
        inbound: Inbound | None,
        owner: Owner,
    ) -> None:
        self._wire = Connection(dialler, local, limits)
        self._alarm = self._wire.alarm
        self._send_call = self._wire.send_call
        self._respond = self._wire.respond
        self._limits = limits
        self._clock = clock
        self._now = clock.now
        self.loop = asyncio.get_running_loop()
        self._inbound = inbound
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, Waiting] = {}
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._timer: Timer | None = None
        self._timer_at = inf  # of no timer
        self._flush_planned = False
        self.writable = True  # whether the pipe to the peer has room for another call
        self._room: asyncio.Event | None = None  # made for who waits for it: an idle link should be small
        self.dialler = dialler
        self.remote = "?"  # host:port of the socket's other end
        self.draining: str | None = None  # the peer's reason for taking no new calls
        self.ready: asyncio.Future[None] = self.loop.create_future()  # done with the handshake; fails with OSError
        self.gone: asyncio.Future[str] = self.loop.create_future()  # done with the reason once it is closed
        self.bytes_received = 0
        self.bytes_sent = 0
        self.serving_bytes = 0  # their bodies
        self.serving: dict[int, Running] = {}  # the peer's calls under way, kept by Inbound

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(self._limits.write_high_bytes, self._limits.write_low_bytes)
        self.remote = remote_of(transport)
        if not self._owner.connected(self):
            self.close("too many connections")
            return
        self._wire.start(self._now())
        self.flush()
        self._rearm()

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        for event in self._wire.receive(data, self._now()):
            if type(event) is CallReceived:
                if self._inbound is not None:
                    self._inbound.call_received(self, event)
                else:
                    self._wire.respond_error(event.id, 0x06, "this process serves nothing")
            elif type(event) is ResponseReceived or type(event) is ErrorReceived:
                self._answer(event.id, event)
            else:
                self._take(event)
        self.flush_soon()
        if self._alarm.at < self._timer_at:
            self._rearm()

    def eof_received(self) -> bool:
        for event in self._wire.receive_eof(self._now()):
            self._take(event)
        self.flush()
        return False  # half-closed connections carry no calls: let the transport close

    def connection_lost(self, exc: Exception | None) -> None:
        for event in self._wire.receive_eof(self._now(), str(exc) if exc else ""):
            self._take(event)
        self._end("the connection was closed" if exc is None else str(exc))

    def pause_writing(self) -> None:
        self.writable = False  # our own calls wait
        # Who does not read our answers gets no more of its requests read: its own socket buffer fills and stops it.
        # Only the accepting side does so; if both stopped reading until they had written, both would wait for ever.
        if not self.dialler and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._make_room()
        if not self.dialler and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- events that are not calls or answers

    def _take(self, event: Event) -> None:
        match event:
            case HandshakeDone():
                self._owner.opened(self)
                if not self.ready.done():
                    self.ready.set_result(None)
            case CancelReceived(id=call_id, why=why):
                if self._inbound is not None:
                    self._inbound.cancel_received(self, call_id, why)
            case CallExpired(id=call_id):
                if self._inbound is not None:
                    self._inbound.cancel_received(self, call_id, "its time is up")
            case DrainReceived(reason=reason):
                self.draining = reason
            case ConnectionClosed():
                self._wire_closed(event)
            case CallReceived():
                if self._inbound is not None:
                    self._inbound.call_received(self, event)
            case ResponseReceived() | ErrorReceived():
                self._answer(event.id, event)
            case PongReceived(id=ping_id):
                pong = self._pongs.pop(ping_id, None)
                if pong is not None and not pong.done():
                    pong.set_result(None)

    def _answer(self, call_id: int, event: ResponseReceived | ErrorReceived) -> None:
        future = self._waiting.pop(call_id, None)
        if future is not None and not future.done():
            future.set_result((event, True))

    def _wire_closed(self, event: ConnectionClosed) -> None:
        for call_id, written in event.calls:
            future = self._waiting.pop(call_id, None)
            if future is not None and not future.done():
                future.set_result((event, written))
        self.flush()
        self._end(event.reason)
        close_in_time(self._transport)

    def _end(self, reason: str) -> None:
        """Once, whoever noticed first."""
        if self.gone.done():
            return
        self.gone.set_result(reason)
        self._make_room()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(reason))
            self.ready.exception()  # seen: whoever dials asks `ready` itself, an acceptor logs
        if self._inbound is not None:
            self._inbound.link_closed(self)
        self._owner.closed(self, reason)

    # -- timers and writing

    def _rearm(self) -> None:
        when = self._wire.next_timer()
        if when is None or self.gone.done() or self._timer_at <= when:
            return  # an earlier wake-up looks again; that is cheaper than moving the timer with every call
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._timer_at = inf
        for event in self._wire.on_timer(self._now()):
            self._take(event)
        self.flush()
        self._rearm()

    def flush_soon(self) -> None:
        """What the wire holds is written at the end of this loop turn, with whatever else comes up in it.

        One write each turn and link, after all links were read: a write wakes the process at the other end, and on a
        busy machine that one takes the core from us.
        """
        if not self._flush_planned:
            self._flush_planned = True
            self._owner.plan_flush(self)

    def flush(self) -> None:
        """Writes what the wire holds, now."""
        self._flush_planned = False
        data = self._wire.data_to_send()
        if not data or self._transport is None or self._transport.is_closing():
            return
        self.bytes_sent += len(data)
        was_full = not self.writable
        self._transport.write(data)
        if was_full and self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            transport = self._transport
            self.close(f"the peer has left more than {MAX_UNREAD_BYTES} bytes unread")
            transport.abort()  # close() would wait for the peer to read it

    # -- our calls

    @property
    def usable(self) -> bool:
        """Whether a new call may be sent here."""
        return not self.gone.done() and self.draining is None and not self._wire.closing

    @property
    def peer(self) -> PeerInfo | None:
        return self._wire.peer

    async def call(
        self,
        *,
        deadline: float,
        tracing: bytes,
        service: str,
        headers: bytes,
        arg1: bytes,
        arg2: bytes,
        arg3: bytes,
    ) -> tuple[Answer, bool]:
        """Sends a call and waits for what comes of it. Raises CallRefused when it was not sent.

        Cancelling it sends a cancel frame: the peer stops, and what it still answers is ignored.
        """
        if not self.writable:
            await self.room()
        call_id, answered = self.begin(deadline, tracing, service, headers, arg1, arg2, arg3)
        try:
            return await answered
        except asyncio.CancelledError:
            self.give_up(call_id)
            raise

    async def room(self) -> None:
        """Returns once the link is `writable`."""
        while not self.writable:  # whoever wakes first may have filled it again
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def _make_room(self) -> None:
        self.writable = True
        if self._room is not None:
            self._room.set()
            self._room = None

    def begin(
        self, deadline: float, tracing: bytes, service: str, headers: bytes, arg1: bytes, arg2: bytes, arg3: bytes
    ) -> tuple[int, Waiting]:
        """Sends a call; its number, and a future of what comes of it. Raises CallRefused when it was not sent.

        In two halves for whoever calls often: a coroutine around the future costs more than the sending.
        """
        now = self._now()
        # Rounded up, and never 0: the server's last millisecond is the caller's to cut off.
        ttl_ms = max(1, int((deadline - now) * 1000 + 0.999))
        call_id = self._send_call(now, ttl_ms, tracing, service, headers, arg1, arg2, arg3)
        self._waiting[call_id] = answered = self.loop.create_future()
        if self._wire.bytes_pending > self._limits.write_high_bytes:
            self.flush()  # now, so that the next caller of this turn finds the pipe full and waits
        elif not self._flush_planned:
            self._flush_planned = True
            self._owner.plan_flush(self)
        if self._alarm.at < self._timer_at:
            self._rearm()
        return call_id, answered

    def give_up(self, call_id: int) -> None:
        """Nobody waits for the answer any more: the peer is told to stop, and what it still answers is ignored."""
        if self._waiting.pop(call_id, None) is not None:
            self._wire.cancel(call_id, "the caller gave up", self._now())
            self.flush_soon()

    @property
    def calls_waiting(self) -> int:
        return len(self._waiting)

    # -- answers to the peer's calls

    def respond(self, call_id: int, ok: bool, arg2: bytes, arg3: bytes) -> None:
        try:
            self._respond(call_id, ok, arg2, arg3)
        except ResponseTooLarge as error:  # the caller was told
            log.error("call %d of %s: %s", call_id, self.remote, error)
        self.flush_soon()

    def respond_error(self, call_id: int, code: int, message: str) -> None:
        self._wire.respond_error(call_id, code, message)
        self.flush_soon()

    # -- ending

    def drain(self, reason: str) -> None:
        """Asks the peer to send no more calls here; those under way go on."""
        self._wire.drain(reason, self._now())
        self.flush_soon()

    async def round_trip(self) -> None:
        """Returns once the peer has read all that was sent so far, and we all that it had sent by then; or is gone."""
        if self.gone.done() or self.peer is None:
            return
        pong = self.loop.create_future()
        self._pongs[self._wire.ping(self._now())] = pong
        self.flush_soon()
        await asyncio.wait((pong, self.gone), return_when=asyncio.FIRST_COMPLETED)

    def close(self, reason: str) -> None:
        """Ends the connection from this side; calls that wait on it fail at once."""
        for event in self._wire.close(None, reason):
            self._take(event)
        self._end(reason)
        close_in_time(self._transport)

    def describe(self) -> dict[str, object]:
        """For /debug/connections."""
        peer = self._wire.peer
        return {
            "remote": self.remote,
            "direction": "out" if self.dialler else "in",
            "protocol": self.protocol,
            "peer": None if peer is None else {"host_port": peer.host_port, "process": peer.process_name},
            "calls_out": len(self._waiting),
            "calls_in": len(self.serving),
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "draining": self.draining,
        }
