"""One TChannel connection, both roles, without I/O.

One rule: bytes and the time come in, events and bytes go out; it knows no socket, no loop and no clock.

States, and what they let in:

    handshake   acceptor: init req; dialler: init res; the first bytes are looked at (sniff.py)
    open        everything but init frames
    closed      nothing; `data_to_send` still has the last words

Calls are the business of the two halves (inbound.py, outbound.py), plain ones that of quick.py.
"""

from __future__ import annotations

from math import inf
from typing import Final

from mesh.wire import frames
from mesh.wire.events import ConnectionClosed, DrainReceived, Event, HandshakeDone, PongReceived
from mesh.wire.faults import DECLINED, FATAL, CallRefused, ProtocolBreach
from mesh.wire.frames import NO_MESSAGE, NO_TRACING, Error, Frame, Ping
from mesh.wire.handshake import INIT_ID, Identity, PeerInfo, peer_of
from mesh.wire.inbound import Inbound
from mesh.wire.limits import DEFAULT_LIMITS, FRAME_HEAD_BYTES, Limits
from mesh.wire.outbound import Outbound
from mesh.wire.outbox import Alarm, Budget, Outbox
from mesh.wire.quick import QuickReader
from mesh.wire.sniff import may_be_tchannel, what_is

_DRAINING: Final = "draining:"  # how Node's drain frame starts


class Connection:
    """A connection's state machine. Times are seconds of one monotonic clock, as `now` on every entry.

    `peer` is None until the handshake is over. `closing` is True once nothing more can be asked of it: write what
    `data_to_send` has and close the socket.
    """

    def __init__(self, dialler: bool, local: Identity, limits: Limits = DEFAULT_LIMITS) -> None:
        """Raises ValueError for an acceptor without an address: Node's client breaks on `0.0.0.0:0` as an answer."""
        if not dialler and local.host_port.endswith(":0"):
            raise ValueError(f"an acceptor must say where it listens, not {local.host_port!r}")
        self.dialler = dialler
        self.limits = limits
        self.peer: PeerInfo | None = None
        self.closing = False
        self._local = local
        self._outbox = Outbox()
        self.alarm = Alarm()
        budget = Budget(limits)
        self._inbound = Inbound(limits, self._outbox, self.alarm, budget)
        self._outbound = Outbound(limits, self._outbox, self.alarm, budget, INIT_ID if dialler else 0)
        # The halves' own functions, told there: a call goes through each of them once.
        self.send_call = self._outbound.send_call
        self.respond = self._inbound.respond
        self.respond_error = self._inbound.respond_error
        self._quick = QuickReader(self._inbound, self._outbound, limits)
        self._rest = bytearray()  # the start of a frame that is not all here
        self._wanted = FRAME_HEAD_BYTES  # bytes that it takes to go on with it
        self._handshake_until = inf
        self._heard_at = 0.0
        self._probe: int | None = None  # the last ping that asked a silent peer whether it is there
        self._probed_at = -inf
        self._complaint = ""  # what the peer said about the connection without ending it

    def start(self, now: float) -> None:
        """Arms the time for the handshake; the dialler queues its init frame."""
        self._heard_at = now
        self._handshake_until = now + self.limits.handshake_s
        self.alarm.bring(self._handshake_until)
        if self.dialler:
            self._outbox.put(self._local.init(answer=False).pack())

    # Bytes in

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What `data`, the next bytes of the stream, brought about. Never raises for anything that they say."""
        events: list[Event] = []
        if self.closing:
            return events
        self._heard_at = now
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return events
            data = bytes(self._rest)
            self._rest.clear()
        end = len(data)
        pos = 0 if self.peer is None else self._quick.read(data, 0, end, now, events)
        if pos == end:
            return events
        try:
            pos = self._read(data, pos, end, now, events)
        except ProtocolBreach as breach:
            events.append(self._end(FATAL, str(breach)))
            return events
        if pos < end:
            self._rest += data[pos:]
        return events

    def _read(self, data: bytes, pos: int, end: int, now: float, events: list[Event]) -> int:
        """Takes all whole frames from `pos` on; returns where the first that is not whole starts."""
        while not self.closing:
            if self.peer is not None:
                pos = self._quick.read(data, pos, end, now, events)
            elif not self._speaks_tchannel(data, events):
                return end
            if end - pos < FRAME_HEAD_BYTES:
                self._wanted = FRAME_HEAD_BYTES if self.peer else 0  # a stranger's first bytes are looked at one by one
                return pos
            size, kind, _ = frames.read_head(data, pos)
            self._check_size(size)
            if end - pos < size:
                self._wanted = size
                return pos
            event = self._on_frame(kind, data[pos : pos + size], now)
            if event is not None:
                events.append(event)
            pos += size
        return end

    def _check_size(self, size: int) -> None:
        if size < FRAME_HEAD_BYTES:
            raise ProtocolBreach(f"a frame that says it has {size} bytes; {FRAME_HEAD_BYTES} is the least")
        if self.peer is None and size > self.limits.init_bytes:
            raise ProtocolBreach(f"a first frame of {size} bytes; the limit is {self.limits.init_bytes}")

    def _speaks_tchannel(self, data: bytes, events: list[Event]) -> bool:
        """Looks at the first bytes of all. To a peer that speaks something else nothing is said."""
        protocol = what_is(data)
        if protocol is None:
            if len(data) < FRAME_HEAD_BYTES or may_be_tchannel(data):
                return True
            protocol = f"no protocol that is known here (it starts {data[:8].hex(' ')})"
        ours = "this side speaks TChannel" if self.dialler else "this port speaks TChannel and framed Thrift"
        events.append(self._end(None, f"the peer speaks {protocol}; {ours}"))
        return False

    def receive_eof(self, now: float, why: str = "") -> list[Event]:
        """The stream ended (`why`: the socket's error, if it was one)."""
        if self.closing:
            return []
        reason = why or "the peer closed the connection"
        if self.peer is None:
            reason += " before the handshake was over"
        if self._complaint:
            reason += f" after saying {self._complaint!r}"
        return [self._end(None, reason)]

    def _on_frame(self, kind: int, data: bytes, now: float) -> Event | None:
        if self.peer is None:
            return self._on_handshake(frames.parse(data))
        if kind == frames.CLAIM:
            return None  # nobody implements it
        frame = frames.parse(data)
        match frame:
            case frames.CallRequest():
                return self._inbound.on_request(frame, now)
            case frames.CallResponse():
                return self._outbound.on_response(frame, now)
            case frames.Continue():
                half = self._outbound if frame.answer else self._inbound
                return half.on_continue(frame, now)
            case frames.Cancel():
                return self._inbound.on_cancel(frame, now)
            case frames.Error():
                return self._on_error(frame)
            case frames.Ping(answer=False):
                self._outbox.put(Ping(frame.id, answer=True).pack())
                return None
            case frames.Ping():
                return self._on_pong(frame.id)
            case frames.Init():
                raise ProtocolBreach("an init frame after the handshake")
            case _:
                return None

    def _on_handshake(self, frame: Frame) -> Event:
        if isinstance(frame, Error):
            return self._end(None, f"the peer refused the handshake: {frame.message}", frame.code)
        if not isinstance(frame, frames.Init) or frame.answer != self.dialler:
            kind = "init res" if self.dialler else "init req"
            raise ProtocolBreach(f"the first frame must be an {kind}, not {type(frame).__name__}")
        peer = peer_of(frame, self.limits)
        if not self.dialler:
            self._outbox.put(self._local.init(answer=True, id=frame.id).pack())
        self.peer = peer
        self._handshake_until = inf
        self.alarm.bring(self._heard_at + self.limits.idle_s)
        self._outbound.refusing = None
        self._outbound.checks_span = peer.is_mesh
        if self._inbound.draining is not None:
            self._say_draining()
        return HandshakeDone(peer)

    def _on_error(self, frame: Error) -> Event | None:
        if frame.id != NO_MESSAGE:
            return self._outbound.on_error(frame)
        if frame.code == FATAL:
            return self._end(None, f"the peer ended the connection: {frame.message}", FATAL)
        if frame.code == DECLINED and frame.message.startswith(_DRAINING):
            reason = frame.message.removeprefix(_DRAINING).strip()
            self._outbound.refusing = f"the peer is draining: {reason}"
            return DrainReceived(reason)
        self._complaint = frame.message
        return None

    def _on_pong(self, id: int) -> Event | None:
        return None if id == self._probe else PongReceived(id)

    # Bytes out

    def data_to_send(self) -> bytes:
        """All that has to be written now. What was handed out counts as written."""
        return self._outbox.take()

    @property
    def bytes_pending(self) -> int:
        return self._outbox.size

    # Time

    def next_timer(self) -> float | None:
        """When `on_timer` wants to be called (seconds), or None. It may come forward with every other call."""
        due = self.alarm.due
        return None if due == inf or self.closing else due

    def on_timer(self, now: float) -> list[Event]:
        """Does what is due. To be called too early does no harm."""
        events: list[Event] = []
        if self.closing or now < self.alarm.due:
            return events
        self.alarm.restart(now)
        if self.peer is None:
            self._check_handshake(now, events)
            return events
        for at in (
            self._inbound.sweep(now, events),
            self._outbound.sweep(now, events),
            self._check_silence(now, events),
        ):
            self.alarm.bring(at)
        return events

    def _check_handshake(self, now: float, events: list[Event]) -> None:
        if now < self._handshake_until:
            self.alarm.bring(self._handshake_until)
            return
        kind = "init res" if self.dialler else "init req"
        events.append(self._end(None, f"no {kind} within {self.limits.handshake_s:g} s"))

    def _check_silence(self, now: float, events: list[Event]) -> float:
        """Asks a silent peer whether it is there, and ends the connection when it is not.

        With calls under way only a mesh node is given up: Py never answers a ping and may be busy with one of them.
        """
        quiet_until = self._heard_at + self.limits.idle_s
        if now < quiet_until:
            return quiet_until
        if self._probed_at <= self._heard_at:  # an older question was answered, perhaps in the same instant
            self._probe = self.ping(now)
            self._probed_at = now
        answer_until = self._probed_at + self.limits.pong_s
        if now < answer_until:
            return answer_until
        foreign = self.peer is None or not self.peer.is_mesh
        if foreign and (self.outbound_in_flight or self.inbound_in_flight):
            return now + self.limits.pong_s
        silent_s = now - self._heard_at
        events.append(self._end(None, f"not a byte from the peer for {silent_s:.0f} s, and no answer to a ping"))
        return inf

    # Calls of ours

    @property
    def outbound_in_flight(self) -> int:
        return len(self._outbound.calls)

    def cancel(self, call_id: int, why: str, now: float) -> bool:
        """Tells the peer to stop; a late answer is ignored. False when the call is over."""
        return not self.closing and self._outbound.cancel(call_id, why, now)

    def abandon(self, call_id: int, now: float) -> bool:
        """Ignores the call's answer from here on, and tells nobody. False when the call is over."""
        return not self.closing and self._outbound.abandon(call_id, now)

    # Calls of the peer's

    @property
    def inbound_in_flight(self) -> int:
        return len(self._inbound.calls)

    # The connection

    def drain(self, reason: str, now: float) -> None:
        """Takes no new calls: tells the peer, and answers what crosses with "declined". Our own calls may go on."""
        if self._inbound.draining is None and not self.closing:
            self._inbound.draining = reason
            if self.peer is not None:
                self._say_draining()

    def _say_draining(self) -> None:
        self._outbox.put(Error(NO_MESSAGE, DECLINED, NO_TRACING, f"{_DRAINING} {self._inbound.draining}").pack())

    def ping(self, now: float) -> int:
        """Queues a ping; its PongReceived has this number. Raises CallRefused before the handshake and at the end."""
        if self.peer is None or self.closing:
            raise CallRefused(self._outbound.refusing or "the connection is closed", permanent=False)
        id = self._outbound.next_id()
        self._outbox.put(Ping(id, answer=False).pack())
        return id

    def close(self, code: int | None, message: str) -> list[Event]:
        """Ends it from this side, with an error frame for the connection if there is a code and a peer to read it.

        Returns the ConnectionClosed, or nothing if that was told before.
        """
        return [] if self.closing else [self._end(code, message)]

    def _end(self, say: int | None, reason: str, heard: int | None = None) -> ConnectionClosed:
        """`say` is the code to tell the peer, `heard` the one that it told us."""
        if say is not None and (self.peer is not None or not self.dialler):
            self._outbox.put(Error(NO_MESSAGE, say, NO_TRACING, reason).pack())
        self.closing = True
        self._outbound.refusing = f"the connection is closed: {reason}"
        inbound, outbound = self._inbound, self._outbound
        calls = tuple((id, outbound.written(entry)) for id, entry in outbound.calls.items())
        handlers = tuple(inbound.calls)
        self._outbox.drop((frames.CALL_REQ, frames.CALL_REQ_CONTINUE))  # told as not sent: must not be
        for half in (inbound, outbound):
            half.calls.clear()
            half.halves.by_id.clear()
        self._rest.clear()
        return ConnectionClosed(reason, heard if say is None else say, calls, handlers)
