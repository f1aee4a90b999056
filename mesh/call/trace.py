"""Where a call stands in its tree: trace, span and parent ids, as TChannel's 25 bytes and as W3C `traceparent`.

TChannel's trace id has 64 bits and W3C's 128. The upper half of an id that came in over HTTP is kept in `high` and
travels in a reserved header, so that a trace leaves the mesh with the id it came with.
"""

from __future__ import annotations

import random
import re
import struct

SAMPLED = 0x01
_WIRE = struct.Struct(">QQQB")  # spanid parentid traceid flags
WIRE_SIZE = _WIRE.size
NO_TRACE = bytes(WIRE_SIZE)
NO_TRACE_ID = bytes(8)  # in bytes 16 to 24 of them; a call whose trace id is 0 has no trace

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace:
    """One span's place. Ids are integers of 64 bits, never 0 (`trace_id` only in its lower half)."""

    __slots__ = ("flags", "high", "parent_id", "span_id", "trace_id")

    def __init__(self, trace_id: int, span_id: int, parent_id: int = 0, flags: int = 0, high: int = 0) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.flags = flags
        self.high = high

    def child(self, rng: random.Random) -> Trace:
        """The place of a call made inside this span."""
        return Trace(self.trace_id, rng.getrandbits(64) or 1, self.span_id, self.flags, self.high)

    def to_wire(self) -> bytes:
        return _WIRE.pack(self.span_id, self.parent_id, self.trace_id, self.flags)

    @property
    def id(self) -> str:
        """The trace id as 32 hex digits, as logs and W3C write it."""
        return f"{self.high:016x}{self.trace_id:016x}"

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def to_traceparent(self) -> str:
        """W3C Trace Context, level 1, version 00."""
        return f"00-{self.id}-{self.span_id:016x}-{self.flags & SAMPLED:02x}"

    def __repr__(self) -> str:
        return f"<Trace {self.to_traceparent()}>"


def root(rng: random.Random) -> Trace:
    """A new trace. The root's span id is the trace id, as TChannel wants it."""
    trace_id = rng.getrandbits(64) or 1
    return Trace(trace_id, trace_id)


def root_to_wire(rng: random.Random) -> bytes:
    """`root(rng).to_wire()`, without the Trace that most calls never look at."""
    trace_id = rng.getrandbits(64) or 1
    return _WIRE.pack(trace_id, 0, trace_id, 0)


def from_wire(data: bytes) -> Trace | None:
    """The 25 bytes of a frame; None when they say "no trace" (all zero)."""
    span_id, parent_id, trace_id, flags = _WIRE.unpack(data)
    if not trace_id:
        return None
    return Trace(trace_id, span_id, parent_id, flags)


def from_traceparent(text: str) -> Trace | None:
    """A W3C `traceparent`; None when it is malformed, as the specification demands (start a new trace then).

    A later version may append fields to the four of version 00; version ff is forbidden.
    """
    match = _TRACEPARENT.fullmatch(text.strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or int(trace_id, 16) == 0 or int(span_id, 16) == 0:
        return None
    low = int(trace_id[16:], 16)
    if low == 0:  # legal in W3C, but it would read as "no trace" on the wire
        return None
    return Trace(low, int(span_id, 16), 0, int(flags, 16) & SAMPLED, int(trace_id[:16], 16))
