"""A call and its reply, as every filter sees them.

One rule: bodies are bytes here. The caller encodes once above the stack, the leaf decodes per attempt, and no filter
does either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mesh.call.trace import Trace
from mesh.contract.model import FaultOf, Method, Priority
from mesh.errors import MeshError


class Call:
    """One request under way.

    `deadline` is in seconds of the node's clock (None: not set by the caller), `latest` that of the call which this one
    is part of. `headers` travel one hop, `baggage` to every call further down.
    `caller` is what the other side claims to be; `identity` is what it proved (None until there is TLS). `attempt`
    counts from 1. `peer` is the endpoint's address once one is chosen (server: the caller's address).
    """

    __slots__ = (
        "attempt", "baggage", "body", "caller", "deadline", "endpoint", "headers", "identity", "latest", "method",
        "peer", "priority", "routing_delegate", "routing_key", "service", "shard_key", "started", "trace", "tried",
    )  # fmt: skip

    def __init__(
        self,
        method: Method,
        body: bytes,
        *,
        service: str,
        caller: str,
        deadline: float | None = None,
        latest: float | None = None,
        headers: dict[str, str] | None = None,
        baggage: dict[str, str] | None = None,
        trace: Trace | None = None,
        shard_key: str | None = None,
        routing_key: str | None = None,
        routing_delegate: str | None = None,
        peer: str | None = None,
    ) -> None:
        self.method = method
        self.body = body
        self.service = service
        self.caller = caller
        self.identity: str | None = None
        self.deadline = deadline
        self.latest = latest
        self.headers = headers if headers is not None else {}
        self.baggage = baggage if baggage is not None else {}
        self.trace = trace
        self.shard_key = shard_key
        self.routing_key = routing_key
        self.routing_delegate = routing_delegate
        self.priority: Priority = method.policy.priority
        self.attempt = 1
        self.started = 0.0  # when the measure filter first saw it, in seconds of the clock
        self.peer = peer
        self.endpoint: Any = None  # a balance.Endpoint, set by the balance filter for the leaf
        self.tried: dict[Any, Reply] | None = None  # endpoints that have refused this call, with what they said

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
        headers: dict[str, str] | None = None,
        value: Any = None,
        peer: str | None = None,
    ) -> None:
        self.outcome = outcome
        self.body = body
        self.headers = headers if headers is not None else {}
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
