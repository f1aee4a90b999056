"""A call and its reply, as every filter sees them.

One rule: bodies are bytes here. The caller encodes once above the stack, the leaf decodes per attempt, and no filter
does either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from mesh.call.trace import NO_TRACE, Trace, from_wire
from mesh.contract.model import FaultOf, Method, Priority
from mesh.errors import MeshError

NOTHING: Mapping[str, str] = MappingProxyType({})


class Driver(Protocol):
    """Who runs the task in which a call is served, and ends it when its deadline passes.

    Most handlers finish without ever waiting, and need no timer; only who drives them learns that they wait.
    """

    expired: bool
    """The task was cancelled because the deadline passed, and for no other reason."""
    waits: bool
    """The task has begun to wait, so the deadline is being watched."""

    def watch(self, deadline: float) -> None:
        """Ends the task at `deadline` (seconds of the clock) instead of at the one before."""
        ...


class Call:
    """One request under way.

    `deadline` is in seconds of the node's clock (None: not set by the caller), `latest` that of the call which this one
    is part of. `headers` travel one hop, `baggage` to every call further down; neither is changed in place.
    `caller` is what the other side claims to be; `identity` is what it proved (None until there is TLS). `attempt`
    counts from 1. `peer` is the endpoint's address once one is chosen (server: the caller's address). `tracing` is the
    trace as TChannel's 25 bytes, which is all that most calls need of it.

    One is made for every call, so what most calls do not have stands in the class: a value costs only where it is set.
    """

    identity: str | None = None
    latest: float | None = None
    headers: Mapping[str, str] = NOTHING
    baggage: Mapping[str, str] = NOTHING
    shard_key: str | None = None
    routing_key: str | None = None
    routing_delegate: str | None = None
    attempt = 1
    started = 0.0  # when it came or was made, in seconds of the clock; 0.0: not known yet
    endpoint: Any = None  # a balance.Endpoint, set by the balance filter for the leaf
    tried: dict[Any, Reply] | None = None  # endpoints that have refused this call, with what they said
    context: Any = None  # a call.context.Context, once the handler or something that it runs asks for it
    _priority: Priority | None = None
    _trace: Trace | None = None

    def __init__(
        self,
        method: Method,
        body: bytes,
        service: str,
        caller: str,
        deadline: float | None = None,
        tracing: bytes = NO_TRACE,
        peer: str | None = None,
        *,
        latest: float | None = None,
        headers: Mapping[str, str] | None = None,
        baggage: Mapping[str, str] | None = None,
        trace: Trace | None = None,
        shard_key: str | None = None,
    ) -> None:
        self.method = method
        self.body = body
        self.service = service
        self.caller = caller
        self.deadline = deadline
        self.tracing = tracing
        self.peer = peer
        self.driver: Driver | None = None  # who watches the deadline in the deadline filter's place
        if latest is not None:
            self.latest = latest
        if headers:
            self.headers = headers
        if baggage:
            self.baggage = baggage
        if trace is not None:
            self.trace = trace
        if shard_key is not None:
            self.shard_key = shard_key

    @property
    def trace(self) -> Trace | None:
        """Where the call stands in its tree; None: it belongs to none."""
        if self._trace is None:
            self._trace = from_wire(self.tracing)
        return self._trace

    @trace.setter
    def trace(self, trace: Trace) -> None:
        self._trace = trace
        self.tracing = trace.to_wire()

    @property
    def trace_high(self) -> int:
        """The upper half of a trace id that came from outside the mesh; the 25 bytes have no room for it."""
        return 0 if self._trace is None else self._trace.high

    @property
    def priority(self) -> Priority:
        """Who goes first under load: the method's, by contract, unless the call says otherwise."""
        return self._priority or self.method.policy.priority

    @priority.setter
    def priority(self, priority: Priority) -> None:
        self._priority = priority

    def __repr__(self) -> str:
        return f"<Call {self.service} {self.method.wire_name} from {self.caller} attempt {self.attempt}>"


class Ok:
    """The method returned."""

    __slots__ = ()
    label = "ok"


OK = Ok()


class Declared:
    """The method raised an exception that its contract declares: an answer, unless its `fault` is `service`."""

    __slots__ = ("exception", "fault", "field_id")
    label = "declared"

    def __init__(self, field_id: int, fault: FaultOf, exception: Exception | None = None) -> None:
        self.field_id = field_id
        self.fault = fault
        self.exception = exception


Outcome = Ok | Declared | MeshError


class Reply:
    """What came of a call. `value` is the decoded result (client side, outcome Ok)."""

    __slots__ = ("body", "headers", "outcome", "peer", "value")

    def __init__(
        self,
        outcome: Outcome = OK,
        body: bytes = b"",
        headers: Mapping[str, str] = NOTHING,
        value: Any = None,
        peer: str | None = None,
    ) -> None:
        self.outcome = outcome
        self.body = body
        self.headers = headers
        self.value = value
        self.peer = peer

    def __repr__(self) -> str:
        return f"<Reply {outcome_label(self.outcome)} {len(self.body)} bytes>"


def outcome_label(outcome: Outcome) -> str:
    """The metric label of an outcome: `ok`, `declared` or the error table's name."""
    return outcome.kind.name if isinstance(outcome, MeshError) else outcome.label


# A service is an async function from call to reply. Failures are replies whose outcome is a MeshError; what it raises
# is CancelledError or a bug.
Service = Callable[[Call], Awaitable[Reply]]
# A filter is an async function that gets the call and the next service.
Filter = Callable[[Call, Service], Awaitable[Reply]]
