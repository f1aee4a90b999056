"""Sends a call elsewhere when it provably did not run.

A refused connection, "busy" and "declined" had no effect, so another endpoint may have the call whatever the contract
says about repeating it. What may have run is left alone here: repeating that is the contract's decision
(`idempotent`), under a budget.
"""

from __future__ import annotations

from mesh.call import Call, Clock, Filter, Reply, Service
from mesh.call.stack import MakeFilter
from mesh.contract.model import Method
from mesh.errors import MeshError, Repeat

# Attempts in all, as TChannel's own libraries have it: enough to get past the instances that a rolling restart takes
# down at once, too few to carry a storm.
MAX_ATTEMPTS = 5


def retry_not_run(clock: Clock) -> MakeFilter:
    def make(service: str, method: Method) -> Filter:
        async def retry(call: Call, next: Service) -> Reply:
            while True:
                reply = await next(call)
                outcome = reply.outcome
                if not isinstance(outcome, MeshError) or outcome.kind.repeat is not Repeat.ELSEWHERE:
                    return reply
                if call.attempt >= MAX_ATTEMPTS or call.endpoint is None:
                    return reply
                if call.deadline is not None and clock.now() >= call.deadline:
                    return reply
                if call.tried is None:
                    call.tried = {}
                elif call.endpoint in call.tried:
                    return reply  # the balancer has no other endpoint left
                call.tried[call.endpoint] = reply
                call.attempt += 1

        return retry

    return make
