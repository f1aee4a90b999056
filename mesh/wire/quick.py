"""The fast path: calls and answers of one frame whose opening was read before.

One rule: it only ever takes what the general reader would take, with the same result, and leaves the rest untouched.
It is a second reader of the same bytes and is here for its cost alone: the general one takes about six times as long
(bench/wire.py), and nearly every message of a mesh is of this kind.

What makes it fast: the opening (service, transport headers, checksum type) is compared with that of the message before
instead of being parsed, and so are arg1 and arg2; a message then costs two unpackings, two comparisons and one
checksum. Comparing is safe because both regions say their own length: bytes that start with a whole one can be read
in no other way.
"""

from __future__ import annotations

import struct

from mesh.wire.events import CallReceived, Event, ResponseReceived
from mesh.wire.frames import CALL_REQ, CALL_RES, NO_MESSAGE
from mesh.wire.inbound import Inbound
from mesh.wire.limits import MAX_ARG1_BYTES, MAX_FRAME_BYTES, Limits
from mesh.wire.openings import Opening
from mesh.wire.outbound import Outbound

# size, type, id, flags, and the four bytes after them: a call's ttl; of an answer only the first is the code.
_HEAD = struct.Struct(">HBxI8xBI").unpack_from
_HEAD_BYTES = 21
_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from


class _Start:
    """The last arg1 and arg2 seen in one direction; `raw` is their lengths and bytes, as on the wire."""

    __slots__ = ("arg1", "arg2", "raw", "size", "sum", "summed_by")

    def __init__(self) -> None:
        self.raw = b""
        self.size = 0
        self.arg1 = self.arg2 = b""
        self.sum = 0  # over arg1 and arg2, by the function of checksum type `summed_by`
        self.summed_by = -1

    def read(self, data: bytes, at: int, stop: int, opening: Opening) -> bool:
        """Reads arg1 and arg2 at `at`. False when they do not fit."""
        (length,) = _U16(data, at)
        middle = at + 2 + length
        if middle + 4 > stop or length > MAX_ARG1_BYTES:
            return False
        arg1 = data[at + 2 : middle]
        (length,) = _U16(data, middle)
        end = middle + 2 + length
        if end + 2 > stop:
            return False
        self.arg1, self.arg2 = arg1, data[middle + 2 : end]
        self.raw, self.size = data[at:end], end - at
        self.sum = opening.sum(self.arg2, opening.sum(arg1, 0))
        self.summed_by = opening.checksum
        return True


class QuickReader:
    """Reads into the same tables as `Inbound` and `Outbound`, which stay the owners of everything else."""

    def __init__(self, inbound: Inbound, outbound: Outbound, limits: Limits) -> None:
        self._inbound = inbound
        self._outbound = outbound
        self._most_calls = limits.calls_inbound
        self._slack = limits.expiry_slack_s
        self._usable = limits.message_bytes >= MAX_FRAME_BYTES  # else one frame could be too much already
        self._calls = _Start()
        self._answers = _Start()

    def read(self, data: bytes, pos: int, end: int, now: float, events: list[Event]) -> int:
        """Takes frames from `pos` on as long as they are of the plain kind; returns the offset of the first other."""
        while self._usable and end - pos >= _HEAD_BYTES:
            size, kind, id, flags, word = _HEAD(data, pos)
            stop = pos + size
            if flags or stop > end:
                return pos
            event: Event | None
            if kind == CALL_REQ:
                event = self._call(data, pos, stop, id, word, now)
            elif kind == CALL_RES:
                event = self._answer(data, pos, stop, id, word >> 24)
            else:
                return pos
            if event is None:
                return pos
            events.append(event)
            pos = stop
        return pos

    def _call(self, data: bytes, pos: int, stop: int, id: int, ttl_ms: int, now: float) -> CallReceived | None:
        inbound = self._inbound
        calls = inbound.calls
        if not ttl_ms or id in calls or not 0 < id < NO_MESSAGE or inbound.draining is not None:
            return None
        halves = inbound.halves.by_id
        if len(calls) + len(halves) >= self._most_calls or id in halves or id in inbound.over.until:
            return None
        at = pos + 46
        opening = inbound.openings.last
        if opening is None or not data.startswith(opening.raw, at):
            if at >= stop:
                return None
            opening = inbound.openings.find(data, at, at + 1 + data[at])
            if opening is None:
                return None
        start = self._calls
        third = self._third(start, opening, data, at + opening.size, stop)
        if third is None:
            return None
        tracing = data[pos + 21 : at]
        expires = now + ttl_ms * 0.001 + self._slack
        calls[id] = (expires, tracing, opening)
        alarm = inbound.alarm
        if expires < alarm.at:
            alarm.at = expires
        return CallReceived(id, ttl_ms, tracing, opening.service, opening.headers, start.arg1, start.arg2, third)

    def _answer(self, data: bytes, pos: int, stop: int, id: int, code: int) -> ResponseReceived | None:
        outbound = self._outbound
        entry = outbound.calls.get(id)
        if entry is None or id in outbound.halves.by_id:
            return None
        at = pos + 43
        tracing = data[pos + 18 : at]
        if tracing != entry[1] and outbound.checks_span:
            return None
        opening = outbound.openings.last
        if opening is None or not data.startswith(opening.raw, at):
            opening = outbound.openings.find(data, at, at)
            if opening is None:
                return None
        start = self._answers
        third = self._third(start, opening, data, at + opening.size, stop)
        if third is None:
            return None
        del outbound.calls[id]
        return ResponseReceived(id, not code, opening.headers, tracing, start.arg2, third)

    def _third(self, start: _Start, opening: Opening, data: bytes, at: int, stop: int) -> bytes | None:
        """arg3 of the message whose checksum stands at `at`, after a look at everything in between; arg1 and arg2
        are in `start` then. None unless the frame is in order to its last byte."""
        if at + 10 > stop:  # a sum and three lengths; a frame without a sum and with less is left to the other
            return None
        given = 0
        if opening.checksum:
            (given,) = _U32(data, at)
            at += 4
        same = opening.checksum == start.summed_by and data.startswith(start.raw, at)
        if not same and not start.read(data, at, stop, opening):
            return None
        at += start.size
        if at + 2 > stop:
            return None
        (length,) = _U16(data, at)
        at += 2
        if at + length != stop:
            return None
        third = data[at:stop]
        if opening.sum(third, start.sum) != given:
            return None
        return third
