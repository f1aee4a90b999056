"""The annotations of a function and of its services, added up.

One rule: a function's own annotation wins, then its service's, then those of the services that this one extends, the
nearest first; what nobody states has the default of the model.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

from mesh.contract.model import (
    DEFAULT_MAX_BYTES,
    DEFAULT_TIMEOUT_MS,
    Policy,
    Priority,
    Sla,
)

IDEMPOTENT_ATTEMPTS = 3
_SLA = ("sla.availability", "sla.p99_ms", "sla.p50_ms")


def policy_of(function: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> Policy:
    """The policy of a method; `services` are the annotations of the service called and of what it extends."""
    stated = ChainMap(dict(function), *(dict(values) for values in services))
    idempotent: bool = function.get("idempotent", False)
    timeout_ms: int = stated.get("timeout_ms", DEFAULT_TIMEOUT_MS)
    # What a service says of attempts is meant for its methods that may be repeated.
    attempts: int = stated.get("attempts", IDEMPOTENT_ATTEMPTS) if idempotent else 1
    share = max(1, timeout_ms // attempts)
    return Policy(
        timeout_ms=timeout_ms,
        attempt_timeout_ms=min(stated.get("attempt_timeout_ms", share), timeout_ms),
        idempotent=idempotent,
        attempts=attempts,
        hedge=function.get("hedge", False),
        priority=stated.get("priority", Priority.NORMAL),
        sla=_sla(stated),
        max_request_bytes=function.get("max_request_bytes", DEFAULT_MAX_BYTES),
        max_response_bytes=function.get("max_response_bytes", DEFAULT_MAX_BYTES),
        deprecated=function.get("deprecated"),
    )


def _sla(stated: Mapping[str, Any]) -> Sla:
    default = Sla()
    return Sla(
        availability=stated.get("sla.availability", default.availability),
        p99_ms=stated.get("sla.p99_ms"),
        p50_ms=stated.get("sla.p50_ms"),
        window_s=stated.get("sla.window", default.window_s),
        stated=any(key in stated for key in _SLA),
    )


def contradictions(function: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a function states and cannot mean, each as a reason; empty when all is well."""
    policy = policy_of(function, services)
    found = []
    if policy.hedge and not policy.idempotent:
        found.append('hedge = "true" sends a call twice and needs idempotent = "true"')
    if function.get("attempts", 1) > 1 and not policy.idempotent:
        found.append(f'attempts = "{function["attempts"]}" executes a call again and needs idempotent = "true"')
    if policy.hedge and policy.idempotent and policy.attempts < 2:
        found.append('hedge = "true" needs attempts of at least 2: a hedge is one of them')
    if function.get("attempt_timeout_ms", 0) > policy.timeout_ms:
        found.append(
            f"attempt_timeout_ms = {function['attempt_timeout_ms']} is more than timeout_ms = {policy.timeout_ms}"
        )
    sla = policy.sla
    if sla.p50_ms is not None and sla.p99_ms is not None and sla.p50_ms > sla.p99_ms:
        found.append(f"sla.p50_ms = {sla.p50_ms:g} is more than sla.p99_ms = {sla.p99_ms:g}")
    return found
