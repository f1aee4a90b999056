"""What a connection's halves share: the bytes to send, the next alarm, room for half messages, finished numbers.

One rule: nothing here grows past its bound, and nobody but these four keeps such a count.
"""

from __future__ import annotations

from math import inf

from mesh.wire.faults import BUSY, Refusal
from mesh.wire.limits import Limits

# At most one look through the tables in this time. Without it a peer could buy a walk over 8,192 calls with every
# call of ttl 1; with it that costs at most a few per cent of a core.
SWEEP_S = 0.010


class Outbox:
    """Frames on their way out. `takes` counts how often they were handed on: what a call's first frame remembers
    in order to know later whether it ever left."""

    __slots__ = ("chunks", "size", "takes")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.takes = 0

    def put(self, frame: bytes) -> None:
        self.chunks.append(frame)
        self.size += len(frame)

    def drop(self, kinds: tuple[int, ...]) -> None:
        """Forgets frames of these types: each chunk is one frame."""
        self.chunks = [chunk for chunk in self.chunks if chunk[2] not in kinds]
        self.size = sum(map(len, self.chunks))

    def take(self) -> bytes:
        chunks = self.chunks
        if not chunks:
            return b""
        self.chunks = []
        self.size = 0
        self.takes += 1
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class Alarm:
    """The soonest moment at which something has to be done (seconds). Halves only ever bring it forward."""

    __slots__ = ("at", "not_before")

    def __init__(self) -> None:
        self.at = inf
        self.not_before = -inf

    def bring(self, at: float) -> None:
        if at < self.at:
            self.at = at

    @property
    def due(self) -> float:
        return max(self.at, self.not_before)

    def restart(self, now: float) -> None:
        """Forgets everything; what is still to come is brought again."""
        self.at = inf
        self.not_before = now + SWEEP_S


class Budget:
    """Room for half-received messages of one connection, both directions together."""

    __slots__ = ("_limits", "bytes", "messages")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.bytes = 0
        self.messages = 0

    def open(self) -> None:
        if self.messages >= self._limits.assembling_messages:
            raise Refusal(BUSY, f"{self.messages} messages of this connection are half received; that is the limit")
        self.messages += 1

    def grow(self, size: int) -> None:
        if self.bytes + size > self._limits.assembling_bytes:
            limit = self._limits.assembling_bytes
            raise Refusal(BUSY, f"the half-received messages of this connection hold {limit} bytes; that is the limit")
        self.bytes += size

    def close(self, size: int) -> None:
        self.messages -= 1
        self.bytes -= size


class Tombstones:
    """Numbers of messages that are over here and not yet over there: what still comes for them is ignored.

    Oldest first, so the dict's order is the order of their end. When there are too many the oldest goes early.
    """

    __slots__ = ("_bound", "_seconds", "until")

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.tombstone_s
        self._bound = limits.tombstones
        self.until: dict[int, float] = {}

    def add(self, id: int, now: float) -> None:
        until = self.until
        until.pop(id, None)
        if len(until) >= self._bound:
            del until[next(iter(until))]
        until[id] = now + self._seconds

    def discard(self, id: int) -> bool:
        return self.until.pop(id, None) is not None

    def purge(self, now: float) -> float:
        """Forgets those whose time is over; returns when the next one's is."""
        while self.until:
            id, until = next(iter(self.until.items()))
            if until > now:
                return until
            del self.until[id]
        return inf
