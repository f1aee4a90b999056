"""One connection of framed Thrift that came in: bytes between a transport and the wire's state machine.

One rule: a call that came this way goes the way of all others (`Dispatcher`, the same stacks); what is of this protocol
ends here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import cast

from mesh.call import Clock, Timer
from mesh.errors import MeshError, from_wire
from mesh.net.framed.headers import DRAINING, ERROR, to_call
from mesh.net.framed.keepalive import keep_alive
from mesh.net.framed.names import Names
from mesh.net.inbound import MAX_SERVING_BYTES, Dispatcher
from mesh.net.link import MAX_UNREAD_BYTES
from mesh.net.links import Links, row
from mesh.net.mapping import NO_HEADERS
from mesh.net.network import close_in_time, remote_of
from mesh.net.running import Running
from mesh.wire import Limits, decode_headers
from mesh.wire.thrift import ApplicationException, Closed, Event, Expired, Requested, ServerConnection

log = logging.getLogger("mesh.net")


class FramedLink(asyncio.Protocol):
    """Always accepted, never dialled. `calls` counts what came to a handler's stack, by form."""

    dialler = False
    peer = None  # nobody says who it is

    def __init__(
        self,
        *,
        limits: Limits,
        clock: Clock,
        dispatcher: Dispatcher,
        names: Names,
        owner: Links,
        calls: Counter[str],
    ) -> None:
        self._wire = ServerConnection(limits)
        self._limits = limits
        self._clock = clock
        self._now = clock.now
        self.loop = asyncio.get_running_loop()
        self._dispatcher = dispatcher
        self._names = names
        self._owner = owner
        self._calls = calls
        self._transport: asyncio.Transport | None = None
        self._timer: Timer | None = None
        self._timer_at = float("inf")
        self._flush_planned = False
        self._full = False  # the peer leaves too much unread
        self._going_on = False  # requests that were read already are about to be taken
        self._reading = True
        self._told_of_oneways = False
        self._left: asyncio.Future[None] | None = None  # for who waits for the end
        self.gone = False
        self.protocol = "framed"
        self.remote = "?"
        self.draining: str | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.serving_bytes = 0
        self.serving: dict[int, Running] = {}

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(self._limits.write_high_bytes, self._limits.write_low_bytes)
        self.remote = remote_of(transport)
        keep_alive(transport, self._limits)
        self._owner.connected(self)
        self._owner.opened(self)
        self._wire.start(self._now())
        self._rearm()

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        self._take(self._wire.receive(data, self._now()))

    def eof_received(self) -> bool:
        self._take(self._wire.receive_eof())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._take(self._wire.receive_eof(str(exc) if exc else ""))
        self._end("the connection was closed" if exc is None else str(exc))

    def pause_writing(self) -> None:
        self._full = True
        self._wire.unread(True, self._now())
        self._steer_reading()
        self._rearm()

    def resume_writing(self) -> None:
        self._full = False
        self._wire.unread(False, self._now())
        self._steer_reading()

    # -- what the wire tells

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if self.gone:  # an answer just before was one too many
                return
            match event:
                case Requested():
                    self._requested(event)
                case Expired(id=call_id):
                    self._dispatcher.cancel_received(self, call_id, "its time is up")
                case Closed(reason=reason, breach=breach):
                    if breach:  # told nobody else: the protocol has no message for it
                        log.warning("connection from %s ended: %s", self.remote, reason)
                    self._wire_closed(reason)
                    return
        self._went_on()
        self._rearm()

    def _requested(self, event: Requested) -> None:
        self.protocol = event.form
        try:
            service, route = self._names.find(event.name)
            if route.method.oneway and not event.oneway:  # old clients send a oneway call as a call, and do not wait
                self._wire.answers_nothing(event.id)
            call = to_call(route.method, event.body, event.texts, service=service, now=self._now(), peer=self.remote)
        except MeshError as error:
            self._fail(event.id, error)
            return
        refused = self._dispatcher.start(self, event.id, call, route.service)
        if refused is not None:
            self._fail(event.id, refused)
            return
        self._calls[event.form] += 1
        if event.id in self.serving:  # it waits: by now the stack has said until when it may
            assert call.deadline is not None
            self._wire.expect_by(event.id, call.deadline + self._limits.expiry_slack_s)

    def _wire_closed(self, reason: str) -> None:
        self.flush()
        self._end(reason)
        close_in_time(self._transport)

    def _end(self, reason: str) -> None:
        """Once, whoever noticed first."""
        if self.gone:
            return
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._left is not None and not self._left.done():
            self._left.set_result(None)
        self._dispatcher.link_closed(self)
        self._owner.closed(self, reason)

    # -- answers

    def respond(self, call_id: int, ok: bool, arg2: bytes, arg3: bytes) -> None:
        """The result struct of a call, `ok` or with a declared exception in it, and the reply's headers."""
        texts = {} if arg2 == NO_HEADERS else decode_headers(arg2)
        reason = self._wire.respond(call_id, arg3, texts)
        if reason is not None:
            log.error("call %d of %s: %s", call_id, self.remote, reason)
        self._answered()

    def respond_error(self, call_id: int, code: int, message: str) -> None:
        """A failure, told as TChannel tells it."""
        self._fail(call_id, from_wire(code, message))

    def _fail(self, call_id: int, error: MeshError) -> None:
        kind = error.kind
        told = ApplicationException(kind.thrift, f"{kind.name}: {error.reason}")
        if not self._wire.fail(call_id, told, {ERROR: kind.name}) and not self._told_of_oneways:
            self._told_of_oneways = True  # once a connection: a peer could fill the log with them
            log.warning("a oneway call from %s failed, and its caller cannot be told: %s", self.remote, error)
        self._answered()

    def _answered(self) -> None:
        if self._wire.held_bytes > MAX_SERVING_BYTES:
            self.close(f"answers of {self._wire.held_bytes} bytes wait for the one to an earlier call")
            return
        self._went_on()

    def _went_on(self) -> None:
        """After anything that may have made room or an answer."""
        if self._wire.cut_short and not self._wire.stalled and not self._going_on:
            self._going_on = True
            self.loop.call_soon(self._go_on)
        self._steer_reading()
        self.flush_soon()

    def _go_on(self) -> None:
        self._going_on = False
        if not self.gone:
            self._take(self._wire.go_on(self._now()))

    # -- reading, writing, timers

    def _steer_reading(self) -> None:
        """Who does not read our answers, or has as much under way as may be, gets no more of its requests read."""
        held = self._wire.held_bytes > self._limits.write_high_bytes
        wanted = not (self._full or self._wire.stalled or held)
        transport = self._transport
        if wanted is self._reading or transport is None or transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def flush_soon(self) -> None:
        """One write for all answers of a loop turn."""
        if not self._flush_planned and not self.gone:
            self._flush_planned = True
            self._owner.plan_flush(self)

    def flush(self) -> None:
        """Writes what the wire holds, now."""
        self._flush_planned = False
        transport = self._transport
        data = self._wire.data_to_send()
        if transport is not None and data and not transport.is_closing():
            self.bytes_sent += len(data)
            was_full = self._full
            transport.write(data)
            if was_full and transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                self._end(f"the peer has left more than {MAX_UNREAD_BYTES} bytes unread")
                transport.abort()
        if self._wire.drained and not self._hears_farewells:
            self.close(self.draining or "drained")

    def _rearm(self) -> None:
        when = self._wire.next_timer()
        if when is None or self.gone or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._take(self._wire.on_timer(self._now()))

    # -- ending

    @property
    def _hears_farewells(self) -> bool:
        return self.protocol == "theader"

    def drain(self, reason: str) -> None:
        """Ends the connection with its last answer: plain frames have no word for "no more calls".

        In THeader each answer says so. Such a connection is left to the peer to close, and what it still sends is
        declined by name, so that a mesh client loses no call.
        """
        self.draining = reason
        self._wire.drain({DRAINING: reason})
        self.flush()

    async def round_trip(self) -> None:
        """Nothing in the protocol asks the peer for a sign; in THeader, until it has gone."""
        if self._hears_farewells and not self.gone:
            self._left = self.loop.create_future()
            await self._left

    def close(self, reason: str) -> None:
        """Ends the connection; what was answered is still written."""
        if not self.gone:
            self._end(reason)
            self.flush()
            close_in_time(self._transport)

    def describe(self) -> dict[str, object]:
        """For /debug/connections."""
        return row(self, calls_in=len(self.serving), draining=self.draining)
