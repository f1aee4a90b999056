"""The fast path: calls and answers of one frame whose opening was read before.

One rule: it only ever takes what the general reader would take, with the same result, and leaves the rest untouched.
It is a second reader of the same bytes and is here for its cost alone: the general one takes many times as long
(bench/wire.py), and nearly every message of a mesh is of this kind.

What makes it fast: a frame is unpacked up to its arguments in one go, by the layout that belongs to the opening of
the message before, and the opening's bytes are then compared instead of being read. That is safe because an opening
says its own length: bytes that are equal to a whole one can be read in no other way.
"""

from __future__ import annotations

import struct

from mesh.wire.events import CallReceived, Event, ResponseReceived
from mesh.wire.frames import CALL_REQ, CALL_RES, NO_MESSAGE
from mesh.wire.headers import NO_HEADERS
from mesh.wire.inbound import Inbound
from mesh.wire.limits import FRAME_HEAD_BYTES, MAX_ARG1_BYTES, MAX_FRAME_BYTES, Limits
from mesh.wire.outbound import Outbound

_LEAST = 48  # bytes before which neither kind of message can have ended
_U16 = struct.Struct(">H").unpack_from
_THREE = struct.Struct(">HHH").unpack_from  # length of arg2, its two bytes if it has two, length of arg3


class QuickReader:
    """Reads into the same tables as `Inbound` and `Outbound`, which stay the owners of everything else."""

    def __init__(self, inbound: Inbound, outbound: Outbound, limits: Limits) -> None:
        self._inbound = inbound
        self._outbound = outbound
        self._most_calls = limits.calls_inbound
        self._slack_s = limits.expiry_slack_s
        self._longest_ms = int(limits.call_s * 1000)
        self.usable = limits.message_bytes >= MAX_FRAME_BYTES  # else one frame could be too much already

    def read(self, data: bytes, pos: int, end: int, now: float, events: list[Event]) -> int:
        """Takes frames from `pos` on as long as they are of the plain kind; returns the offset of the first other."""
        while self.usable and end - pos >= _LEAST:
            kind = data[pos + 2]
            if kind == CALL_REQ:
                stop = self._call(data, pos, end, now, events)
            elif kind == CALL_RES:
                stop = self._answer(data, pos, end, events)
            else:
                return pos
            if not stop:
                return pos
            pos = stop
        return pos

    def _call(self, data: bytes, pos: int, end: int, now: float, events: list[Event]) -> int:
        """Takes one call; returns where it ends, or 0 if it is not plain."""
        inbound = self._inbound
        opening = inbound.openings.last
        if opening is None or end - pos < opening.span + 6:
            return 0
        size, _, id, flags, ttl_ms, tracing, raw, given, length = opening.unpack(data, pos)
        if raw != opening.raw:
            if not self._turn_to_call(data, pos, end):
                return 0
            return self._call(data, pos, end, now, events)
        stop: int = pos + size
        calls = inbound.calls
        halves = inbound.halves.by_id
        if (
            stop > end
            or flags
            or not 0 < ttl_ms <= self._longest_ms
            or not 0 < id < NO_MESSAGE
            or length > MAX_ARG1_BYTES
        ):
            return 0
        if id in calls or id in halves or len(calls) + len(halves) >= self._most_calls:
            return 0
        if inbound.draining is not None:
            return 0
        at = pos + opening.span + length
        if at + 6 > stop:
            return 0
        arg1 = data[at - length : at]
        size2, two, size3 = _THREE(data, at)
        if size2 == 2 and two == 0:
            arg2 = NO_HEADERS
            sum = opening.starts.get(arg1)
            if sum is None:
                sum = opening.sum_start(arg1)
            at += 6
        else:
            at += 4 + size2
            if at > stop:
                return 0
            arg2 = data[at - size2 - 2 : at - 2]
            (size3,) = _U16(data, at - 2)
            sum = opening.sum(arg2, opening.sum(arg1, 0))
        if at + size3 != stop:
            return 0
        arg3 = data[at:stop]
        if opening.checksum and opening.sum(arg3, sum) != given:
            return 0
        expires = now + ttl_ms * 0.001 + self._slack_s
        calls[id] = (expires, tracing, opening.answer)
        alarm = inbound.alarm
        if expires < alarm.at:
            alarm.at = expires
        events.append(CallReceived(id, ttl_ms, tracing, opening.service, opening.headers, arg1, arg2, arg3))
        return stop

    def _turn_to_call(self, data: bytes, pos: int, end: int) -> bool:
        """Another opening than the last one: whether it is known, too, and all there. It is the last one then."""
        at = pos + FRAME_HEAD_BYTES + 30
        opening = self._inbound.openings.find(data, at, at + 1 + data[at])
        return opening is not None and end - pos >= opening.span + 6

    def _answer(self, data: bytes, pos: int, end: int, events: list[Event]) -> int:
        """Takes one answer; returns where it ends, or 0 if it is not plain."""
        outbound = self._outbound
        opening = outbound.openings.last
        if opening is None or end - pos < opening.span:
            return 0
        size, _, id, flags, code, tracing, raw, given, size1, size2, two, size3 = opening.unpack(data, pos)
        if raw != opening.raw:
            if not self._turn_to_answer(data, pos, end):
                return 0
            return self._answer(data, pos, end, events)
        stop: int = pos + size
        entry = outbound.calls.get(id)
        if stop > end or flags or size1 or entry is None or id in outbound.halves.by_id:
            return 0
        if tracing != entry[1] and outbound.checks_span:
            return 0
        at = pos + opening.span
        if size2 == 2 and two == 0:
            arg2 = NO_HEADERS
            sum = opening.empty_sum
        else:
            at += size2 - 2
            if at > stop:
                return 0
            arg2 = data[at - size2 - 2 : at - 2]
            (size3,) = _U16(data, at - 2)
            sum = opening.sum(arg2, 0)
        if at + size3 != stop:
            return 0
        arg3 = data[at:stop]
        if opening.checksum and opening.sum(arg3, sum) != given:
            return 0
        del outbound.calls[id]
        events.append(ResponseReceived(id, not code, opening.headers, tracing, arg2, arg3))
        return stop

    def _turn_to_answer(self, data: bytes, pos: int, end: int) -> bool:
        at = pos + FRAME_HEAD_BYTES + 27
        opening = self._outbound.openings.find(data, at, at)
        return opening is not None and end - pos >= opening.span
