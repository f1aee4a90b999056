"""Gives every call its place in a trace; one span covers all its attempts."""

from __future__ import annotations

import random
from collections.abc import Awaitable

from mesh.call import Call, Filter, Reply, Service
from mesh.call import trace as traces
from mesh.call.stack import MakeFilter
from mesh.contract.model import Method


def client_trace(rng: random.Random) -> MakeFilter:
    """A child of the span that the caller runs in, or a new trace."""

    def make(service: str, method: Method) -> Filter:
        def trace(call: Call, next: Service) -> Awaitable[Reply]:
            parent = call.trace
            call.trace = traces.root(rng) if parent is None else parent.child(rng)
            return next(call)

        return trace

    return make


def server_trace(rng: random.Random) -> MakeFilter:
    """Caller and server share a span, as in TChannel; a call that came without one begins a trace."""

    def make(service: str, method: Method) -> Filter:
        def trace(call: Call, next: Service) -> Awaitable[Reply]:
            if call.trace is None:
                call.trace = traces.root(rng)
            return next(call)

        return trace

    return make
