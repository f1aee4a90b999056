"""Gives every call its place in a trace; one span covers all its attempts."""

from __future__ import annotations

import random
from collections.abc import Awaitable

from mesh.call import Call, Filter, Reply, Service
from mesh.call import trace as traces
from mesh.call.stack import MakeFilter
from mesh.call.trace import NO_TRACE, NO_TRACE_ID
from mesh.contract.model import Method


def client_trace(rng: random.Random) -> MakeFilter:
    """A child of the span that the caller runs in, or a new trace."""

    def make(service: str, method: Method) -> Filter:
        def trace(call: Call, next: Service) -> Awaitable[Reply]:
            if call.tracing == NO_TRACE:
                call.tracing = traces.root_to_wire(rng)
            elif (parent := call.trace) is not None:
                call.trace = parent.child(rng)
            return next(call)

        return trace

    return make


def server_trace(rng: random.Random) -> MakeFilter:
    """Caller and server share a span, as in TChannel; a call that came without one begins a trace."""

    def make(service: str, method: Method) -> Filter:
        def trace(call: Call, next: Service) -> Awaitable[Reply]:
            if call.tracing[16:24] == NO_TRACE_ID:
                call.tracing = traces.root_to_wire(rng)
            return next(call)

        return trace

    return make
