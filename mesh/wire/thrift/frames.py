"""Thrift frames out of a stream of bytes: `length:4` and then that many.

One rule: what cannot be a frame of ours is told by its first six bytes, before any of it is kept.
"""

from __future__ import annotations

from mesh.wire.faults import ProtocolBreach
from mesh.wire.sniff import what_is
from mesh.wire.thrift.envelope import VERSION
from mesh.wire.thrift.limits import LEAST_FRAME_BYTES, LENGTH_BYTES

THEADER = b"\x0f\xff"
_LEAD_BYTES = LENGTH_BYTES + 2


class FrameReader:
    """Keeps at most one frame that is not all here, and what was read behind frames that nobody took yet."""

    __slots__ = ("_at", "_limit", "_rest", "_wanted")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._rest = bytearray()
        self._at = 0
        self._wanted = _LEAD_BYTES  # bytes from `_at` on that it takes to go on

    def feed(self, data: bytes) -> None:
        self._rest += data

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that was not taken."""
        return len(self._rest) > self._at

    def next(self) -> bytes | None:
        """The next whole frame without its length, or None. Raises ProtocolBreach for what is none."""
        rest, at = self._rest, self._at
        have = len(rest) - at
        if have < self._wanted:
            self._compact()
            return None
        lead = bytes(rest[at : at + _LEAD_BYTES])
        form = lead[LENGTH_BYTES:]
        size = int.from_bytes(lead[:LENGTH_BYTES])
        if size < LEAST_FRAME_BYTES:
            raise ProtocolBreach(f"a frame that says it has {size} bytes; {LEAST_FRAME_BYTES} is the least")
        if form != VERSION and form != THEADER:
            told = what_is(bytes(rest[at : at + 16])) or f"something else ({lead.hex(' ')})"
            raise ProtocolBreach(f"a frame of {told} on a connection of framed Thrift in strict binary")
        if size > self._limit:
            raise ProtocolBreach(f"a frame of {size} bytes; the limit is {self._limit}")
        end = LENGTH_BYTES + size
        if have < end:
            self._wanted = end
            self._compact()
            return None
        self._at = at + end
        self._wanted = _LEAD_BYTES
        return bytes(rest[at + LENGTH_BYTES : at + end])

    def _compact(self) -> None:
        """Lets go of what was taken; once a read, not once a frame, or many small ones would cost their square."""
        if self._at:
            del self._rest[: self._at]
            self._at = 0
