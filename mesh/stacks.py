"""THE PAGE: the way of a call, from the caller to the handler, and why each filter stands where it does.

Read it downwards. Everything else in `mesh` either builds one of these filters or carries bytes between the two
stacks. A part puts its own filter in with `Stack.insert(before="balance", ...)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mesh import balance as balancing
from mesh import filters
from mesh.balance import Balancer, EndpointSet
from mesh.call import Clock, Layer, Stack, TimerWheel
from mesh.filters import CallMetrics


def client_stack(
    *,
    clock: Clock,
    wheel: TimerWheel,
    rng: random.Random,
    calls: CallMetrics,
    attempts: CallMetrics,
    endpoints_of: Callable[[str], EndpointSet],
    balancer: Balancer,
) -> Stack:
    """From the client object (which encoded the request) to the leaf (which sends it and decodes the reply)."""
    return Stack(
        Layer("trace", filters.client_trace(rng), "outermost: one span covers every attempt"),
        Layer("measure", filters.measure(calls, clock), "above deadline: a timeout is a failure that the caller saw"),
        Layer("deadline", filters.client_deadline(clock, wheel), "above retry: one deadline for all attempts"),
        Layer("retry", filters.retry_not_run(clock), "above balance: another attempt may go elsewhere"),
        Layer("balance", balancing.balance(endpoints_of, balancer), "per attempt: chooses the endpoint"),
        Layer("attempt", filters.attempt(attempts, clock), "below balance: counts what was really sent, and to whom"),
    )


def server_stack(*, clock: Clock, wheel: TimerWheel, rng: random.Random, calls: CallMetrics) -> Stack:
    """From the connection (which read the request) to the handler's leaf (which decodes, runs and encodes)."""
    return Stack(
        Layer("trace", filters.server_trace(rng), "outermost: every line logged below has the trace id"),
        Layer("measure", filters.measure(calls, clock), "above deadline: what the server gave up on counts too"),
        Layer("deadline", filters.server_deadline(clock, wheel), "queueing counts; ends the handler when time is up"),
    )
