"""In debug mode, the way of a marked call around what would end it.

One rule: built in, not asked for. A node that is not in debug mode has no such filter in its stacks, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable

from mesh.call import Call, Clock, Filter, Reply, Service, Stack
from mesh.call.debug import CALL_S, marked
from mesh.contract.model import Method


def debuggable(stack: Stack, clock: Clock) -> Stack:
    """`stack` in which a marked call has a day, whatever the contract, the caller's scope or the call above it say."""
    usual = next(layer for layer in stack if layer.name == "deadline")

    def make(service: str, method: Method) -> Filter | None:
        timed = usual.make(service, method)
        if timed is None:
            return None

        def deadline(call: Call, next: Service) -> Awaitable[Reply]:
            if not marked(call):
                return timed(call, next)
            call.deadline = when = (call.started or clock.now()) + CALL_S
            if call.driver is not None and call.driver.waits:
                call.driver.watch(when)
            return next(call)

        return deadline

    return stack.replace("deadline", make)
