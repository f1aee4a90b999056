"""The peer's calls: taken, answered, cancelled, expired.

One rule: every call that was let in gets exactly one answer frame, and none after its ttl.
"""

from __future__ import annotations

import struct
from math import inf

from mesh.wire.events import CallExpired, CallReceived, CancelReceived, Event
from mesh.wire.faults import (
    BAD_REQUEST,
    BUSY,
    CANCELLED,
    DECLINED,
    TIMEOUT,
    UNEXPECTED,
    ProtocolBreach,
    Refusal,
    ResponseTooLarge,
)
from mesh.wire.fragments import FrameWriter
from mesh.wire.frames import (
    CALL_RES,
    CALL_RES_CONTINUE,
    MORE,
    NO_MESSAGE,
    STREAMING,
    CallRequest,
    Cancel,
    Continue,
    Error,
)
from mesh.wire.halves import Half, Halves, first_half
from mesh.wire.headers import NO_HEADERS
from mesh.wire.limits import MAX_FRAME_BYTES, Limits
from mesh.wire.openings import AnswerOpening, CallOpening, Openings, open_call
from mesh.wire.outbox import Alarm, Budget, Outbox, Tombstones

_U16 = struct.Struct(">H")

# (expires, tracing, opening of the answer) of a call under way: all that its answer needs.
Entry = tuple[float, bytes, AnswerOpening]


class Inbound:
    """`draining` is the reason for taking no more calls, once there is one."""

    def __init__(self, limits: Limits, outbox: Outbox, alarm: Alarm, budget: Budget) -> None:
        self._limits = limits
        self._outbox = outbox
        self.alarm = alarm
        self.calls: dict[int, Entry] = {}
        self.halves: Halves[CallOpening] = Halves(budget)
        self.openings: Openings[CallOpening] = Openings()
        self.over = Tombstones(limits)
        self.draining: str | None = None

    # What the peer sends

    def on_request(self, frame: CallRequest, now: float) -> CallReceived | None:
        id = frame.id
        if not 0 < id < NO_MESSAGE:
            raise ProtocolBreach(f"{id} is no number for a call")
        if id in self.calls or id in self.halves.by_id:
            raise ProtocolBreach(f"call {id} came while call {id} is under way")
        try:
            self._admit(frame)
            opening = open_call(frame.service, frame.headers, frame.checksum)
            self.openings.learn(opening)
            expires = now + min(frame.ttl_ms / 1000, self._limits.call_s) + self._limits.expiry_slack_s
            half = first_half(frame, opening, frame.ttl_ms, expires, self._limits, now)
            if not frame.flags & MORE:
                return self._deliver(id, half, now)
            self.halves.hold(id, half)
            self.alarm.bring(half.dropped_at)
        except Refusal as refusal:
            self._refuse(id, frame.tracing, refusal.code, refusal.reason)
            self._expect_rest(id, frame.flags, now)
        return None

    def _admit(self, frame: CallRequest) -> None:
        if self.draining is not None:
            raise Refusal(DECLINED, f"draining: {self.draining}")
        if frame.flags & STREAMING:
            raise Refusal(BAD_REQUEST, "streaming calls are not served here")
        if frame.ttl_ms == 0:
            # Node answers 0xFF and closes, Py takes it. It is one caller's mistake: the others on this connection
            # (a gateway's, say) should not pay for it.
            raise Refusal(BAD_REQUEST, "the call's ttl is 0: nobody waits for the answer")
        under_way = len(self.calls) + len(self.halves.by_id)
        if under_way >= self._limits.calls_inbound:
            raise Refusal(BUSY, f"{under_way} calls of this connection are under way; that is the limit")

    def on_continue(self, frame: Continue, now: float) -> CallReceived | None:
        half = self.halves.by_id.get(frame.id)
        if half is None:
            if frame.id not in self.over.until:
                raise ProtocolBreach(f"a further frame of call {frame.id}, which has no first one")
            self._expect_rest(frame.id, frame.flags, now)
            return None
        try:
            self.halves.feed(frame.id, half, frame)
        except Refusal as refusal:
            self._refuse(frame.id, half.tracing, refusal.code, refusal.reason)
            self._expect_rest(frame.id, frame.flags, now)
            return None
        if frame.flags & MORE:
            return None
        self.halves.drop(frame.id)
        return self._deliver(frame.id, half, now)

    def on_cancel(self, frame: Cancel, now: float) -> CancelReceived | None:
        if frame.id in self.calls:
            return CancelReceived(frame.id, frame.why)
        half = self.halves.drop(frame.id)
        if half is not None:
            self._refuse(frame.id, half.tracing, CANCELLED, "cancelled by its caller before it was all here")
            self._expect_rest(frame.id, MORE, now)
        return None  # it may cross the answer

    def _deliver(self, id: int, half: Half[CallOpening], now: float) -> CallReceived:
        arg1, arg2, arg3 = half.reader.finish()
        opening = half.opening
        self.calls[id] = (half.expires, half.tracing, opening.answer)
        self.alarm.bring(half.expires)
        # Fragments take time: the handler gets what is left.
        left_ms = min(half.number, max(1, int((half.expires - self._limits.expiry_slack_s - now) * 1000 + 0.5)))
        return CallReceived(id, left_ms, half.tracing, opening.service, opening.headers, arg1, arg2, arg3)

    def _expect_rest(self, id: int, flags: int, now: float) -> None:
        """A refused message's further frames are ignored up to the last one."""
        if flags & MORE:
            self.over.add(id, now)
            self.alarm.bring(now + self._limits.tombstone_s)
        else:
            self.over.discard(id)

    def _refuse(self, id: int, tracing: bytes, code: int, reason: str) -> None:
        self._outbox.put(Error(id, code, tracing, reason).pack())

    # What the owner answers

    def respond(self, id: int, ok: bool, arg2: bytes, arg3: bytes) -> bool:
        """Answers a call, in its own checksum, scheme and tracing. False when the call is over.

        Raises ResponseTooLarge, with error 0x05 sent in its place.
        """
        entry = self.calls.pop(id, None)
        if entry is None:
            return False
        _, tracing, opening = entry
        # A span is the size of an answer without headers and body: the two bytes of arg2 are in it.
        size = opening.span - 2 + len(arg2) + len(arg3)
        if size > MAX_FRAME_BYTES:
            self._respond_long(id, ok, entry, arg2, arg3)
            return True
        # The hot path: one frame, written in one go.
        code = 0 if ok else 1
        if arg2 == NO_HEADERS:
            sum = opening.sum(arg3, opening.empty_sum) if opening.checksum else b""
            frame = opening.pack(size, CALL_RES, id, 0, code, tracing, opening.raw, sum, 0, 2, 0, len(arg3)) + arg3
        else:
            sum = opening.sum(arg3, opening.sum(arg2, 0)) if opening.checksum else b""
            head = opening.pack(size, CALL_RES, id, 0, code, tracing, opening.raw, sum, 0, len(arg2), 0, 0)
            frame = b"".join((head[:-4], arg2, _U16.pack(len(arg3)), arg3))
        outbox = self._outbox
        outbox.chunks.append(frame)
        outbox.size += size
        return True

    def _respond_long(self, id: int, ok: bool, entry: Entry, arg2: bytes, arg3: bytes) -> None:
        _, tracing, opening = entry
        size = len(arg2) + len(arg3)
        if size > self._limits.message_bytes:
            reason = f"the answer has {size} bytes; {self._limits.message_bytes} may be sent"
            self._refuse(id, tracing, UNEXPECTED, reason)
            raise ResponseTooLarge(reason)
        lead = bytes((not ok,)) + tracing + opening.raw[:-1]
        writer = FrameWriter((CALL_RES, CALL_RES_CONTINUE), id, lead, opening.checksum, opening.sum)
        for frame in writer.write(b"", arg2, arg3):
            self._outbox.put(frame)

    def respond_error(self, id: int, code: int, message: str) -> bool:
        """Fails a call with one of TChannel's codes; `message` is cut to 1,000 bytes. False when the call is over."""
        entry = self.calls.pop(id, None)
        if entry is None:
            return False
        self._refuse(id, entry[1], code, message)
        return True

    # What time does

    def sweep(self, now: float, events: list[Event]) -> float:
        """Answers what ran out of time and returns when the next thing does."""
        for id in [id for id, entry in self.calls.items() if entry[0] <= now]:
            _, tracing, _ = self.calls.pop(id)
            self._refuse(id, tracing, TIMEOUT, "the call's ttl ran out while it was under way")
            events.append(CallExpired(id))
        for id, half in self.halves.expired(now):
            self._refuse(id, half.tracing, TIMEOUT, "the call was not all here in time")
            self._expect_rest(id, MORE, now)
        next_call = min((entry[0] for entry in self.calls.values()), default=inf)
        return min(next_call, min(self.halves.soonest(), default=inf), self.over.purge(now))
