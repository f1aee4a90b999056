"""One TChannel connection, both roles, without I/O.

One rule: bytes and the time come in, events and bytes go out; it knows no socket, no loop and no clock.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from mesh.wire.checksum import Checksum
from mesh.wire.events import Event
from mesh.wire.handshake import Identity, PeerInfo
from mesh.wire.limits import DEFAULT_LIMITS, Limits


class CallRefused(Exception):
    """A call that was not sent; not one byte of it was written.

    `permanent`: it can never be sent, anywhere (too long, bad headers). Otherwise another connection may take it.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Connection:
    """A connection's state machine. Times are seconds of one monotonic clock, as `now` on every entry."""

    peer: PeerInfo | None
    closing: bool

    def __init__(
        self, dialler: bool, local: Identity, limits: Limits = DEFAULT_LIMITS, rng: random.Random | None = None
    ) -> None: ...

    def start(self, now: float) -> None: ...
    def receive(self, data: bytes, now: float) -> list[Event]: ...  # type: ignore[empty-body]
    def receive_eof(self, now: float, why: str = "") -> list[Event]: ...  # type: ignore[empty-body]
    def next_timer(self) -> float | None: ...
    def on_timer(self, now: float) -> list[Event]: ...  # type: ignore[empty-body]
    def data_to_send(self) -> bytes: ...  # type: ignore[empty-body]

    @property
    def bytes_pending(self) -> int: ...  # type: ignore[empty-body]
    @property
    def inbound_in_flight(self) -> int: ...  # type: ignore[empty-body]
    @property
    def outbound_in_flight(self) -> int: ...  # type: ignore[empty-body]

    def send_call(  # type: ignore[empty-body]
        self,
        *,
        now: float,
        ttl_ms: int,
        tracing: bytes,
        service: str,
        headers: bytes | Mapping[str, str],
        arg1: bytes,
        arg2: bytes,
        arg3: bytes,
        checksum: Checksum = Checksum.CRC32C,
    ) -> int: ...

    def cancel(self, call_id: int, why: str, now: float) -> bool: ...  # type: ignore[empty-body]
    def abandon(self, call_id: int, now: float) -> bool: ...  # type: ignore[empty-body]

    def respond(self, call_id: int, *, ok: bool, arg2: bytes, arg3: bytes, now: float) -> bool:  # type: ignore[empty-body]
        """False when the call is over. An answer above the limit becomes error 0x05 and raises ResponseTooLarge."""

    def respond_error(self, call_id: int, code: int, message: str, now: float) -> bool: ...  # type: ignore[empty-body]

    def drain(self, reason: str, now: float) -> None: ...
    def ping(self, now: float) -> int: ...  # type: ignore[empty-body]

    def close(self, code: int | None, message: str) -> list[Event]:  # type: ignore[empty-body]
        """Ends it from this side; with a code an error frame for the connection is queued. Gives ConnectionClosed."""
