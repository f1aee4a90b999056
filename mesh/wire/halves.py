"""Messages of which only the first frames are in, in one direction.

One rule: what is held is counted in the connection's budget from the first frame on, and given back exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from mesh.wire.fragments import MessageReader
from mesh.wire.frames import CallRequest, CallResponse, Continue
from mesh.wire.limits import Limits
from mesh.wire.openings import OpeningKind
from mesh.wire.outbox import Budget


class Half(Generic[OpeningKind]):
    """One of them. `number` is the ttl (ms) of a call, the code of an answer; `expires` is the message's own end
    (seconds), `dropped_at` the time until which the rest of it must be here."""

    __slots__ = ("dropped_at", "expires", "number", "opening", "reader", "tracing")

    def __init__(
        self,
        opening: OpeningKind,
        reader: MessageReader,
        tracing: bytes,
        number: int,
        expires: float,
        dropped_at: float,
    ) -> None:
        self.opening = opening
        self.reader = reader
        self.tracing = tracing
        self.number = number
        self.expires = expires
        self.dropped_at = dropped_at


class Halves(Generic[OpeningKind]):
    """By message number. The four ways out of it (finished, refused, expired, cancelled) all are `drop`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.by_id: dict[int, Half[OpeningKind]] = {}

    def hold(self, id: int, half: Half[OpeningKind]) -> None:
        """Raises Refusal (busy) when there is no room for another one."""
        self._budget.open()
        self.by_id[id] = half
        try:
            self._budget.grow(half.reader.size)
        except BaseException:
            del self.by_id[id]
            self._budget.close(0)
            raise

    def feed(self, id: int, half: Half[OpeningKind], frame: Continue) -> None:
        """Adds a frame. After a Refusal the message is dropped already."""
        before = half.reader.size
        try:
            half.reader.add(frame.chunks, frame.checksum, frame.sum)
            self._budget.grow(half.reader.size - before)
        except BaseException:
            del self.by_id[id]
            self._budget.close(before)
            raise

    def drop(self, id: int) -> Half[OpeningKind] | None:
        half = self.by_id.pop(id, None)
        if half is not None:
            self._budget.close(half.reader.size)
        return half

    def expired(self, now: float) -> list[tuple[int, Half[OpeningKind]]]:
        """Drops those whose time is over and returns them."""
        late = [(id, half) for id, half in self.by_id.items() if half.dropped_at <= now]
        for id, _ in late:
            self.drop(id)
        return late

    def soonest(self) -> Iterator[float]:
        return (half.dropped_at for half in self.by_id.values())


def first_half(
    frame: CallRequest | CallResponse, opening: OpeningKind, number: int, expires: float, limits: Limits, now: float
) -> Half[OpeningKind]:
    """The message that starts with `frame`. Raises Refusal and ProtocolBreach as MessageReader does."""
    reader = MessageReader(opening.checksum, opening.sum, limits.message_bytes)
    reader.add(frame.chunks, frame.checksum, frame.sum)
    return Half(opening, reader, frame.tracing, number, expires, min(expires, now + limits.assembling_s))
