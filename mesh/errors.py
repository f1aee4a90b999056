"""The one error table: every way in which a call can fail, and what each of them means to everybody.

Retry, circuit, measure, gateway and command line read the same row; none of them has an opinion of its own. A
`MeshError` is a failure of the call; an exception that the contract declares is an answer and does not stand here.

Wire codes and their meaning: TChannel v2, section "errors"; TApplicationException's types: Apache Thrift.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar


class Blame(enum.StrEnum):
    """Whose fault a failure is."""

    CALLER = "caller"
    SERVICE = "service"
    NETWORK = "network"


class Repeat(enum.StrEnum):
    """When it is safe to send the same call again."""

    ELSEWHERE = "elsewhere"  # it did not run: any other endpoint may have it
    IF_IDEMPOTENT = "if-idempotent"  # it may have run
    NEVER = "never"  # it cannot work, or repeating is what makes storms


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table.

    `name` is the metric label, `wire` the TChannel error code that a server answers with and `thrift` the type of
    its TApplicationException over framed Thrift, `may_have_run` says whether the handler may have started, `http` is
    the gateway's status and `exit` the command line's exit code.
    """

    name: str
    wire: int
    blame: Blame
    may_have_run: bool
    repeat: Repeat
    http: int
    exit: int
    advice: str
    thrift: int = 6  # "internal error": framed Thrift knows no finer word for most of them


class MeshError(Exception):
    """A call failed, other than by an exception that its contract declares.

    `service`, `method` and `peer` say where, `elapsed_ms` after how long, `limit_ms` against which limit; whoever
    knows one of them fills it in (`at`). Subclasses are the rows of the table, by `kind`.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        reason: str,
        *,
        service: str | None = None,
        method: str | None = None,
        peer: str | None = None,
        elapsed_ms: float | None = None,
        limit_ms: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.service = service
        self.method = method
        self.peer = peer
        self.elapsed_ms = elapsed_ms
        self.limit_ms = limit_ms

    def at(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        peer: str | None = None,
        elapsed_ms: float | None = None,
        limit_ms: float | None = None,
    ) -> MeshError:
        """Fills in what is not known yet and returns the error; what the layer below said stays."""
        self.service = self.service or service
        self.method = self.method or method
        self.peer = self.peer or peer
        self.elapsed_ms = elapsed_ms if self.elapsed_ms is None else self.elapsed_ms
        self.limit_ms = limit_ms if self.limit_ms is None else self.limit_ms
        return self

    @property
    def advice(self) -> str:
        """What to do about it, in the table's words, with the service's name where it is known."""
        return self.kind.advice.replace("SERVICE", self.service or "SERVICE")

    def __str__(self) -> str:
        where = " ".join(part for part in (self.service, self.method) if part)
        if self.peer:
            where = f"{where} at {self.peer}" if where else self.peer
        timing = ""
        if self.elapsed_ms is not None:
            timing = f" after {self.elapsed_ms:.0f} ms"
        if self.limit_ms is not None:
            timing += f" (limit {self.limit_ms:.0f} ms)"
        head = f"{where}: " if where else ""
        return f"{head}{self.kind.name}{timing}: {self.reason}"


class CallTimeout(MeshError):
    kind = Kind(
        "timeout", 0x01, Blame.SERVICE, True, Repeat.IF_IDEMPOTENT, 504, 20,
        "give it more time (--timeout, timeout_ms) or find out what is slow: mesh health SERVICE",
    )  # fmt: skip


class Cancelled(MeshError):
    kind = Kind(
        "cancelled", 0x02, Blame.CALLER, True, Repeat.NEVER, 500, 21,
        "the caller gave up; look there for the reason",
    )  # fmt: skip


class Busy(MeshError):
    kind = Kind(
        "busy", 0x03, Blame.SERVICE, False, Repeat.ELSEWHERE, 429, 22,
        "the instance sheds load; add instances or call less",
    )  # fmt: skip


class Declined(MeshError):
    kind = Kind(
        "declined", 0x04, Blame.SERVICE, False, Repeat.ELSEWHERE, 503, 23,
        "the instance is draining; another one takes the call",
    )  # fmt: skip


class Unexpected(MeshError):
    kind = Kind(
        "unexpected", 0x05, Blame.SERVICE, True, Repeat.IF_IDEMPOTENT, 500, 24,
        "the handler raised something that its contract does not declare; its log has the trace id and the stack",
    )  # fmt: skip


class BadRequest(MeshError):
    kind = Kind(
        "bad_request", 0x06, Blame.CALLER, False, Repeat.NEVER, 400, 25,
        "the request breaks the contract and can never work; see mesh describe SERVICE", thrift=7,
    )  # fmt: skip


class NetworkError(MeshError):
    kind = Kind(
        "network", 0x07, Blame.NETWORK, True, Repeat.IF_IDEMPOTENT, 500, 26,
        "the connection broke while the call was under way; it may have run",
    )  # fmt: skip


class Unhealthy(MeshError):
    kind = Kind(
        "unhealthy", 0x08, Blame.SERVICE, False, Repeat.NEVER, 503, 27,
        "a circuit is open; it closes by itself once the service answers again",
    )  # fmt: skip


class ProtocolError(MeshError):
    kind = Kind(
        "protocol", 0xFF, Blame.NETWORK, True, Repeat.NEVER, 500, 28,
        "one side broke the wire protocol; check what the port speaks and which versions run",
    )  # fmt: skip


class Unreachable(MeshError):
    """No connection, or it ended before the request was written: the call certainly did not run."""

    kind = Kind(
        "unreachable", 0x07, Blame.NETWORK, False, Repeat.ELSEWHERE, 503, 29,
        "nothing answers there; is the process up, and is this its RPC port? See mesh list",
    )  # fmt: skip


class UnknownService(MeshError):
    """The registry knows no instance of the service."""

    kind = Kind(
        "unknown_service", 0x06, Blame.SERVICE, False, Repeat.NEVER, 503, 30,
        "no instance is registered under that name; mesh list shows those that are", thrift=1,
    )  # fmt: skip


class UnknownMethod(MeshError):
    kind = Kind(
        "unknown_method", 0x06, Blame.CALLER, False, Repeat.NEVER, 400, 31,
        "the contract has no such method; mesh describe SERVICE lists them", thrift=1,
    )  # fmt: skip


class InvalidReply(MeshError):
    """The reply does not fit the contract. The handler did run."""

    kind = Kind(
        "invalid_reply", 0x05, Blame.SERVICE, True, Repeat.IF_IDEMPOTENT, 502, 32,
        "the service answers by another contract than the caller's; compare their digests",
    )  # fmt: skip


# Exit codes of the command line that are no failure of a call: 0 success, 1 what was asked for does not hold,
# 2 wrong usage or bad input, and this one for an exception that the contract declares.
EXIT_DECLARED = 10

TABLE: tuple[type[MeshError], ...] = (
    CallTimeout, Cancelled, Busy, Declined, Unexpected, BadRequest, NetworkError, Unhealthy, ProtocolError,
    Unreachable, UnknownService, UnknownMethod, InvalidReply,
)  # fmt: skip

_BY_WIRE: dict[int, type[MeshError]] = {}
for _row in TABLE:
    _BY_WIRE.setdefault(_row.kind.wire, _row)  # the first row of a code is what the code means to a peer


def from_wire(code: int, reason: str) -> MeshError:
    """The error that a peer's TChannel error code stands for; a code that nobody defines is a protocol error."""
    row = _BY_WIRE.get(code)
    if row is None:
        return ProtocolError(f"the peer sent the undefined error code 0x{code:02x}: {reason}")
    return row(reason)


_BY_NAME = {row.kind.name: row for row in TABLE}
# What a peer's TApplicationException means to its caller. Types 1, 2 and 7 to 10 refuse a request before anything runs,
# 3 to 5 are an answer that cannot be taken, and 0 and 6 say no more than that something went wrong; 11 and 12 are
# fbthrift's.
_BY_THRIFT: dict[int, type[MeshError]] = {
    1: UnknownMethod, 2: BadRequest, 3: InvalidReply, 4: InvalidReply, 5: InvalidReply, 7: BadRequest, 8: BadRequest,
    9: BadRequest, 10: BadRequest, 11: Busy, 12: CallTimeout,
}  # fmt: skip


def from_thrift(type: int, reason: str, name: str | None = None) -> MeshError:
    """The error that a peer's TApplicationException stands for; `name`: that of the row, where the peer sent it."""
    row = _BY_NAME.get(name) if name is not None else None
    return (row or _BY_THRIFT.get(type, Unexpected))(reason)


def across_hop(error: MeshError) -> MeshError:
    """What a server answers when `error` came out of a call that its handler made.

    The mark "certainly did not run" speaks of that inner call. The handler itself did run, so its caller must not
    read "busy" or "unreachable" and repeat it elsewhere.
    """
    if isinstance(error, CallTimeout):
        return CallTimeout(f"a call further down took too long: {error}")
    return Unexpected(f"a call further down failed: {error}")
