"""What came of one call, as JSON: for the command line and for the page that calls.

One rule: the same keys whatever came; `exception` or `error` where there is one.
"""

from __future__ import annotations

from typing import Any

from mesh.call import Declared, Outcome, Reply, outcome_label
from mesh.contract.jsonform.show import struct_to_json, to_json
from mesh.contract.jsonform.spec import result_spec
from mesh.contract.model import Method, Service
from mesh.errors import MeshError


def answer(
    outcome: Outcome, *, service: str, method: str, elapsed_ms: float | None, trace_id: str, **more: Any
) -> dict[str, Any]:
    """The keys that every answer has; `service` and `method` are as they were asked for."""
    return {
        "outcome": outcome_label(outcome),
        "service": service,
        "method": method,
        "value": None,
        "headers": {},
        "elapsed_ms": None if elapsed_ms is None else round(elapsed_ms, 2),
        "trace": trace_id,
        **more,
    }


def value_of(service: Service, method: Method, reply: Reply, *, show_pii: bool = False) -> Any:
    """A good answer's value; None for void."""
    spec = result_spec(service, method)
    return None if spec is None else to_json(spec, reply.value, show_pii=show_pii)


def exception_of(declared: Declared, *, show_pii: bool = False) -> dict[str, Any]:
    return {
        "name": type(declared.exception).__name__,
        "fault": declared.fault.value,
        "fields": struct_to_json(declared.exception, show_pii=show_pii),
    }


def error_of(error: MeshError) -> dict[str, Any]:
    """A failure with its row of the error table."""
    kind = error.kind
    return {
        "reason": error.reason,
        "text": str(error),
        "advice": error.advice,
        "blame": kind.blame.value,
        "may_have_run": kind.may_have_run,
        "repeat": kind.repeat.value,
        "exit": kind.exit,
        "limit_ms": error.limit_ms,
    }
