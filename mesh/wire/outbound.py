"""Our calls: sent, answered, given up.

One rule: a number leads from an answer to exactly one call, or to none; a late answer finds its call gone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import inf

from mesh.wire.checksum import Checksum
from mesh.wire.events import ErrorReceived, Event, ResponseReceived
from mesh.wire.faults import (
    FATAL,
    NETWORK,
    TIMEOUT,
    CallRefused,
    HeaderError,
    ProtocolBreach,
    Refusal,
    WrongChecksum,
)
from mesh.wire.fragments import FrameWriter
from mesh.wire.frames import (
    CALL_REQ,
    CALL_REQ_CONTINUE,
    MORE,
    NO_MESSAGE,
    STREAMING,
    TRACING_BYTES,
    CallResponse,
    Cancel,
    Continue,
    Error,
)
from mesh.wire.halves import Half, Halves, first_half
from mesh.wire.limits import MAX_ARG1_BYTES, MAX_FRAME_BYTES, MAX_TTL_MS, Limits
from mesh.wire.openings import KEPT, AnswerOpening, CallOpening, Openings, open_answer, write_call_opening
from mesh.wire.outbox import Alarm, Budget, Outbox, Tombstones
from mesh.wire.transport import encode_transport_headers

_TTL = struct.Struct(">I")
_U16 = struct.Struct(">H")

# By service and transport headers, one table per checksum type; shared by connections that nobody called over yet.
_Known = tuple[dict[tuple[str, bytes], CallOpening], ...]
_NONE_YET: _Known = ({}, {}, {}, {})

# (expires, tracing, Outbox.takes when it was written) of a call that waits for its answer.
Entry = tuple[float, bytes, int]


class Outbound:
    """`refusing` is the reason why no call may be sent now, as long as there is one.

    `checks_span`: the peer is one of ours, so an answer must carry its call's span id. Checksums do not cover frame
    heads, and a flipped bit in a number would hand one caller another's answer.
    """

    def __init__(self, limits: Limits, outbox: Outbox, alarm: Alarm, budget: Budget, last_id: int) -> None:
        """`last_id` is the last number that is taken already: the dialler's init frame had one."""
        self._limits = limits
        self._slack_s = limits.caller_slack_s
        self._most_calls = limits.calls_outbound
        self._outbox = outbox
        self.alarm = alarm
        # One table per checksum type: an enum's member is slow as a part of a key.
        self._ours = _NONE_YET
        self._last_id = last_id
        self.calls: dict[int, Entry] = {}
        self.halves: Halves[AnswerOpening] = Halves(budget)
        self.openings: Openings[AnswerOpening] = Openings()
        self.over = Tombstones(limits)
        self.checks_span = False
        self.refusing: str | None = "the handshake is not over yet"

    # What the owner asks for

    def next_id(self) -> int:
        self._last_id = self._free_id()
        return self._last_id

    def _free_id(self) -> int:
        """Counts up, wraps before the number that means "none", never gives one that is still in use."""
        id = self._last_id
        while True:
            id = id + 1 if id < NO_MESSAGE - 1 else 1
            if id not in self.calls and id not in self.over.until:
                return id

    def send_call(
        self,
        now: float,
        ttl_ms: int,
        tracing: bytes,
        service: str,
        headers: bytes | Mapping[str, str],
        arg1: bytes,
        arg2: bytes,
        arg3: bytes,
        checksum: Checksum = Checksum.CRC32C,
    ) -> int:
        """Queues a call and returns its number.

        `tracing` is 25 bytes, `headers` the transport headers (`as` and `cn` at least), best as the bytes that
        `encode_transport_headers` gave. Raises CallRefused before anything is queued.
        """
        if self.refusing is not None:
            raise CallRefused(self.refusing, permanent=False)
        if len(self.calls) >= self._most_calls:
            raise CallRefused(f"{len(self.calls)} calls are under way on this connection", permanent=False)
        block = headers if isinstance(headers, bytes) else _encode(headers)
        opening = self._ours[checksum].get((service, block)) or self._open(service, block, checksum)
        size = opening.span + 4 + len(arg1) + len(arg2) + len(arg3)
        if size > MAX_FRAME_BYTES or len(arg1) > MAX_ARG1_BYTES or not 0 < ttl_ms <= MAX_TTL_MS:
            return self._send_long(now, ttl_ms, tracing, opening, arg1, arg2, arg3)
        if len(tracing) != TRACING_BYTES:
            raise ValueError(f"tracing has {TRACING_BYTES} bytes, not {len(tracing)}")
        # The hot path: one frame, its parts joined once.
        id = self._last_id + 1
        if id == NO_MESSAGE or id in self.calls or id in self.over.until:
            id = self._free_id()
        self._last_id = id
        sum = opening.sum(arg1 + arg2 + arg3, 0) if opening.checksum else b""
        head = opening.pack(size, CALL_REQ, id, 0, ttl_ms, tracing, opening.raw, sum, len(arg1))
        frame = b"".join((head, arg1, _U16.pack(len(arg2)), arg2, _U16.pack(len(arg3)), arg3))
        outbox = self._outbox
        outbox.chunks.append(frame)
        outbox.size += size
        expires = now + ttl_ms * 0.001 + self._slack_s
        self.calls[id] = (expires, tracing, outbox.takes)
        if expires < self.alarm.at:
            self.alarm.at = expires
        return id

    def _open(self, service: str, block: bytes, checksum: Checksum) -> CallOpening:
        try:
            opening = write_call_opening(service, block, checksum)
        except (ProtocolBreach, Refusal) as why:
            raise CallRefused(str(why), permanent=True) from None
        if self._ours is _NONE_YET:
            self._ours = ({}, {}, {}, {})
        known = self._ours[checksum]
        if len(known) >= KEPT:
            known.clear()
        known[service, block] = opening
        return opening

    def _send_long(
        self, now: float, ttl_ms: int, tracing: bytes, opening: CallOpening, arg1: bytes, arg2: bytes, arg3: bytes
    ) -> int:
        size = len(arg1) + len(arg2) + len(arg3)
        if size > self._limits.message_bytes:
            reason = f"the call has {size} bytes; {self._limits.message_bytes} may be sent"
            raise CallRefused(reason, permanent=True)
        if len(arg1) > MAX_ARG1_BYTES:
            raise CallRefused(f"arg1 has {len(arg1)} bytes; {MAX_ARG1_BYTES} fit", permanent=True)
        if not 0 < ttl_ms <= MAX_TTL_MS:
            raise CallRefused(f"a ttl of {ttl_ms} ms; 1 to {MAX_TTL_MS} can be sent", permanent=True)
        if len(tracing) != TRACING_BYTES:
            raise ValueError(f"tracing has {TRACING_BYTES} bytes, not {len(tracing)}")
        id = self.next_id()
        lead = _TTL.pack(ttl_ms) + tracing + opening.raw[:-1]
        writer = FrameWriter((CALL_REQ, CALL_REQ_CONTINUE), id, lead, opening.checksum, opening.sum)
        for frame in writer.write(arg1, arg2, arg3):
            self._outbox.put(frame)
        expires = now + ttl_ms * 0.001 + self._slack_s
        self.calls[id] = (expires, tracing, self._outbox.takes)
        self.alarm.bring(expires)
        return id

    def cancel(self, id: int, why: str, now: float) -> bool:
        entry = self.calls.get(id)
        if entry is None:
            return False
        left_ms = max(1, min(MAX_TTL_MS, int((entry[0] - self._limits.caller_slack_s - now) * 1000)))
        self._outbox.put(Cancel(id, left_ms, entry[1], why).pack())
        return self.abandon(id, now)

    def abandon(self, id: int, now: float) -> bool:
        if self.calls.pop(id, None) is None:
            return False
        self.halves.drop(id)
        self._bury(id, now)
        return True

    def _bury(self, id: int, now: float) -> None:
        self.over.add(id, now)
        self.alarm.bring(now + self._limits.tombstone_s)

    def written(self, entry: Entry) -> bool:
        return entry[2] != self._outbox.takes

    # What the peer sends

    def on_response(self, frame: CallResponse, now: float) -> Event | None:
        id = frame.id
        entry = self.calls.get(id)
        if entry is None:
            self._expect_rest(id, frame.flags, now)  # late: ignored, with what follows of it
            return None
        if id in self.halves.by_id:
            raise ProtocolBreach(f"a second answer to call {id} in the midst of the first")
        self._check_span(id, entry, frame.tracing)
        try:
            if frame.flags & STREAMING:
                raise Refusal(FATAL, "the answer is a stream; no stream was asked for")
            opening = open_answer(frame.headers, frame.checksum)
            self.openings.learn(opening)
            half = first_half(frame, opening, frame.code, entry[0], self._limits, now)
            if not frame.flags & MORE:
                return self._deliver(id, half)
            self.halves.hold(id, half)
            self.alarm.bring(half.dropped_at)
        except Refusal as refusal:
            return self._fail(id, frame.tracing, refusal, frame.flags, now)
        return None

    def on_continue(self, frame: Continue, now: float) -> Event | None:
        half = self.halves.by_id.get(frame.id)
        if half is None:
            if frame.id not in self.over.until:
                raise ProtocolBreach(f"a further frame of an answer to call {frame.id}, which has no first one")
            self._expect_rest(frame.id, frame.flags, now)
            return None
        try:
            self.halves.feed(frame.id, half, frame)
        except Refusal as refusal:
            return self._fail(frame.id, half.tracing, refusal, frame.flags, now)
        if frame.flags & MORE:
            return None
        self.halves.drop(frame.id)
        return self._deliver(frame.id, half)

    def on_error(self, frame: Error) -> ErrorReceived | None:
        """0xFF with a call's number fails that call alone: Py keeps the connection after it, and whoever closes
        (Node) ends the others by that."""
        entry = self.calls.get(frame.id)
        if entry is None:
            self.over.discard(frame.id)
            return None
        self._check_span(frame.id, entry, frame.tracing)
        del self.calls[frame.id]
        self.halves.drop(frame.id)
        return ErrorReceived(frame.id, frame.code, frame.message, frame.tracing)

    def _check_span(self, id: int, entry: Entry, tracing: bytes) -> None:
        if self.checks_span and tracing[:8] != entry[1][:8]:
            raise ProtocolBreach(f"the answer to call {id} carries another call's span id")

    def _deliver(self, id: int, half: Half[AnswerOpening]) -> ResponseReceived:
        _, arg2, arg3 = half.reader.finish()
        del self.calls[id]
        return ResponseReceived(id, half.number == 0, half.opening.headers, half.tracing, arg2, arg3)

    def _fail(self, id: int, tracing: bytes, refusal: Refusal, flags: int, now: float) -> ErrorReceived:
        """An answer that cannot be taken. The call ran. With wrong bytes another try may succeed (network), with
        too many or unreadable ones it will not (protocol)."""
        del self.calls[id]
        self._expect_rest(id, flags, now)
        code = NETWORK if isinstance(refusal, WrongChecksum) else FATAL
        return ErrorReceived(id, code, f"found here, in the answer: {refusal.reason}", tracing)

    def _expect_rest(self, id: int, flags: int, now: float) -> None:
        if flags & MORE:
            self._bury(id, now)
        else:
            self.over.discard(id)

    # What time does

    def sweep(self, now: float, events: list[Event]) -> float:
        """Drops calls that nobody gave up in time, and returns when the next thing is due."""
        for id in [id for id, entry in self.calls.items() if entry[0] <= now]:
            tracing = self.calls[id][1]
            self.abandon(id, now)
            events.append(ErrorReceived(id, TIMEOUT, "found here: no answer came within the call's ttl", tracing))
        for id, half in self.halves.expired(now):
            refusal = Refusal(FATAL, f"not all of it came within {self._limits.assembling_s:g} s")
            events.append(self._fail(id, half.tracing, refusal, MORE, now))
        next_call = min((entry[0] for entry in self.calls.values()), default=inf)
        return min(next_call, min(self.halves.soonest(), default=inf), self.over.purge(now))


def _encode(headers: Mapping[str, str]) -> bytes:
    try:
        return encode_transport_headers(headers)
    except HeaderError as why:
        raise CallRefused(str(why), permanent=True) from None
