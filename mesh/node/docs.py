"""What `/docs` shows of a node, and the calls that its form makes.

One rule: a call from there is a call like any other: over the node's own listener, through both stacks, with a
deadline, a trace and headers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

from mesh.admin import Asked, CannotCall
from mesh.call import Declared, Reply
from mesh.call import context as scopes
from mesh.call.trace import root
from mesh.contract.jsonform.body import BodyError, arguments
from mesh.contract.jsonform.description import describe_service, describe_types
from mesh.contract.jsonform.example import example
from mesh.contract.jsonform.spec import args_class
from mesh.contract.model import Method, Service
from mesh.errors import BadRequest, MeshError
from mesh.node.answer import answer, error_of, exception_of, value_of

_ANY_HOST = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


class CallOne(Protocol):
    async def __call__(
        self, method: Method, args: tuple[Any, ...], service: str, peers: list[str], protocol: Any
    ) -> Reply: ...


class NodeDocs:
    """`services` by the name that they are called under; `address` says where the node listens, or nothing."""

    def __init__(
        self,
        name: str,
        version: str,
        services: Mapping[str, Service],
        address: Callable[[], str],
        call: CallOne,
        rng: random.Random,
    ) -> None:
        self._name = name
        self._version = version
        self._services = services
        self._address = address
        self._call = call
        self._rng = rng

    def describe(self) -> dict[str, Any]:
        """For /docs.json."""
        return {
            "node": self._name,
            "version": self._version,
            "address": self._address(),
            "services": [_service(called, service) for called, service in self._services.items()],
            **describe_types(list(self._services.values())),
        }

    async def call(self, asked: Asked) -> dict[str, Any]:
        """Raises CannotCall."""
        service, method = self._find(asked)
        try:
            values = arguments(args_class(service, method), method.parameters, asked.body)
        except BodyError as error:
            raise CannotCall(f"the body: {error}") from None
        address = self._address()
        if not address:
            raise CannotCall(f"{self._name} does not listen yet, or no longer")
        trace = root(self._rng)
        started = time.monotonic()
        try:
            with ExitStack() as stack:
                stack.enter_context(scopes.tracing(trace))
                stack.enter_context(_headers(asked.headers))
                stack.enter_context(scopes.deadline(ms=asked.timeout_ms or method.policy.timeout_ms))
                # TChannel carries no oneway methods.
                protocol = "multiplexed" if method.oneway else "tchannel"
                reply = await self._call(method, values, asked.service, [_dialled(address)], protocol)
        except BadRequest as error:
            reply = Reply(error)
        elapsed_ms = (time.monotonic() - started) * 1000
        return _answer(service, method, asked, reply, elapsed_ms, trace.id)

    def _find(self, asked: Asked) -> tuple[Service, Method]:
        service = self._services.get(asked.service)
        if service is None:
            raise CannotCall(f"{asked.service[:60]!r} is not served here; {', '.join(self._services) or 'nothing'} is")
        method = next((item for item in service.methods.values() if item.wire_name == asked.method), None)
        if method is None:
            known = ", ".join(item.wire_name for item in service.methods.values())
            raise CannotCall(f"{asked.service} has no method {asked.method[:60]!r}; it has {known}")
        return service, method


def _headers(headers: dict[str, str]) -> scopes.Scope:
    try:
        return scopes.headers(headers)
    except (TypeError, ValueError) as error:
        raise CannotCall(f"headers: {error}") from None


def _dialled(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{_ANY_HOST.get(host, host)}:{port}"


def _service(called: str, service: Service) -> dict[str, Any]:
    described = describe_service(service)
    methods = [
        {
            "name": method.name,
            "wire_name": method.wire_name,
            **described["methods"][method.wire_name],
            "example": example(args_class(service, method), method.parameters),
        }
        for method in service.methods.values()
    ]
    contract = {"contract": service.contract.name, "digest": service.contract.digest}
    return {**described, **contract, "called": called, "service": service.name, "methods": methods}


def _answer(
    service: Service, method: Method, asked: Asked, reply: Reply, elapsed_ms: float, trace_id: str
) -> dict[str, Any]:
    outcome = reply.outcome
    more: dict[str, Any] = {"headers": dict(reply.headers), "peer": reply.peer}
    if isinstance(outcome, MeshError):
        error = outcome.at(service=asked.service, method=method.wire_name, peer=reply.peer, elapsed_ms=elapsed_ms)
        if error.limit_ms is not None:
            error.limit_ms = asked.timeout_ms or method.policy.timeout_ms  # what was asked for, not what was left
        more |= {"error": error_of(error), "peer": error.peer}
    elif isinstance(outcome, Declared):
        more["exception"] = exception_of(outcome)
    else:
        more["value"] = value_of(service, method, reply)
    return answer(
        outcome, service=asked.service, method=method.wire_name, elapsed_ms=elapsed_ms, trace_id=trace_id, **more
    )
