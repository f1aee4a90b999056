"""Counts and times calls, as the caller saw them and as the server served them.

Stands above the deadline, so that a timeout is a failure that somebody saw. A caller that gave up counts as
`cancelled`; a bug that raised through the stack as `unexpected`.
"""

from __future__ import annotations

import asyncio

from mesh.call import OK, Call, Clock, Filter, Reply, Service, outcome_label
from mesh.call.stack import MakeFilter
from mesh.contract.model import Method
from mesh.filters.metrics import CallMetrics


def measure(metrics: CallMetrics, clock: Clock) -> MakeFilter:
    """One series per method, found when the stack is built."""
    now = clock.now

    def make(service: str, method: Method) -> Filter:
        series = metrics.series(service, method.wire_name)
        callers: dict[str, str] = {}  # claimed name -> label; as bounded as the labels are

        def label_of(caller: str) -> str:
            label = metrics.bounded_caller(caller)
            if label == caller:
                callers[caller] = label
            return label

        async def measure(call: Call, next: Service) -> Reply:
            call.started = started = now()
            series.in_flight += 1
            series.request_bytes += len(call.body)
            outcome = "unexpected"
            try:
                reply = await next(call)
                outcome = "ok" if reply.outcome is OK else outcome_label(reply.outcome)
                series.response_bytes += len(reply.body)
                return reply
            except asyncio.CancelledError:
                outcome = "cancelled"
                raise
            finally:
                series.in_flight -= 1
                caller = call.caller
                series.finished(callers.get(caller) or label_of(caller), outcome, now() - started)

        return measure

    return make
