"""What a connection tells its owner, in the order in which it happened.

One rule: an event is plain data. Handlers are started and futures resolved by whoever reads them.

Classes with slots and positional arguments: one is made per call, and a dataclass's keyword handling costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GetSetDescriptorType, MemberDescriptorType

from mesh.wire.handshake import PeerInfo


class _Slotted:
    """Equality and a readable form from the slots, for tests and logs; costs the hot path nothing."""

    __slots__ = ()

    def _fields(self) -> list[str]:
        """The slots, by what they leave in a class; a compiled one has no `__slots__` to ask."""
        kinds = (MemberDescriptorType, GetSetDescriptorType)
        return [name for name, kind in vars(type(self)).items() if isinstance(kind, kinds)]

    def _values(self) -> list[object]:
        return [getattr(self, name) for name in self._fields()]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Slotted) and type(other) is type(self) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields(), self._values(), strict=True))
        return f"{type(self).__name__}({inner})"


class HandshakeDone(_Slotted):
    """Both sides said who they are; calls may go both ways from here."""

    __slots__ = ("peer",)

    def __init__(self, peer: PeerInfo) -> None:
        self.peer = peer


class CallReceived(_Slotted):
    """A whole call of the peer's. `tracing` is 25 bytes, `ttl_ms` what the caller still waits.

    `headers` are the transport headers; the mapping is shared between calls and must not be changed.
    """

    __slots__ = ("arg1", "arg2", "arg3", "headers", "id", "service", "tracing", "ttl_ms")

    def __init__(
        self,
        id: int,
        ttl_ms: int,
        tracing: bytes,
        service: str,
        headers: Mapping[str, str],
        arg1: bytes,
        arg2: bytes,
        arg3: bytes,
    ) -> None:
        self.id = id
        self.ttl_ms = ttl_ms
        self.tracing = tracing
        self.service = service
        self.headers = headers
        self.arg1 = arg1
        self.arg2 = arg2
        self.arg3 = arg3


class ResponseReceived(_Slotted):
    """The answer to one of our calls. `ok` is False for an application error (its body is in `arg3`)."""

    __slots__ = ("arg2", "arg3", "headers", "id", "ok", "tracing")

    def __init__(self, id: int, ok: bool, headers: Mapping[str, str], tracing: bytes, arg2: bytes, arg3: bytes) -> None:
        self.id = id
        self.ok = ok
        self.headers = headers
        self.tracing = tracing
        self.arg2 = arg2
        self.arg3 = arg3


class ErrorReceived(_Slotted):
    """One of our calls failed: by the peer's error frame, or because its answer could not be taken.

    `code` is TChannel's (see mesh.errors). A found-out-here failure has a message that says so.
    """

    __slots__ = ("code", "id", "message", "tracing")

    def __init__(self, id: int, code: int, message: str, tracing: bytes) -> None:
        self.id = id
        self.code = code
        self.message = message
        self.tracing = tracing


class CancelReceived(_Slotted):
    """The peer no longer wants the answer to call `id`, which is under way here.

    The owner stops the handler and answers `respond_error(id, 0x02, ...)`; if it does nothing, the ttl answers.
    """

    __slots__ = ("id", "why")

    def __init__(self, id: int, why: str) -> None:
        self.id = id
        self.why = why


class CallExpired(_Slotted):
    """The ttl of the peer's call `id` ran out. Error 0x01 is on its way already; a later answer is dropped."""

    __slots__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id


class PongReceived(_Slotted):
    """The answer to `ping()` number `id`."""

    __slots__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id


class DrainReceived(_Slotted):
    """The peer takes no new calls on this connection; those under way will be answered."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class ConnectionClosed(_Slotted):
    """The end: write what `data_to_send()` still has, then close the socket. Nothing comes after this event.

    `code` is the TChannel code when one side sent an error for the connection, else None. `calls` are our calls that
    got no answer, as (id, written): with `written` False not one byte left, so the call certainly did not run.
    `inbound` are the ids of the peer's calls whose handlers may still run; nobody will hear their answer.
    """

    __slots__ = ("calls", "code", "inbound", "reason")

    def __init__(
        self, reason: str, code: int | None, calls: tuple[tuple[int, bool], ...], inbound: tuple[int, ...] = ()
    ) -> None:
        self.reason = reason
        self.code = code
        self.calls = calls
        self.inbound = inbound


Event = (
    HandshakeDone
    | CallReceived
    | ResponseReceived
    | ErrorReceived
    | CancelReceived
    | CallExpired
    | PongReceived
    | DrainReceived
    | ConnectionClosed
)
