"""What was really sent: counts each attempt, and tells the endpoint how it went.

Stands below the balancer, once per attempt. A busy or unreachable endpoint is avoided for a while; a declining one is
draining and says so itself.
"""

from __future__ import annotations

import asyncio

from mesh.call import OK, Call, Clock, Filter, Reply, Service, outcome_label
from mesh.call.stack import MakeFilter
from mesh.contract.model import Method
from mesh.errors import Busy, Unreachable
from mesh.filters.metrics import CallMetrics

AVOID_S = 1.0  # about what a restart or a burst takes; the balancer comes back sooner if it has nobody else


def attempt(metrics: CallMetrics, clock: Clock) -> MakeFilter:
    now = clock.now

    def make(service: str, method: Method) -> Filter:
        series = metrics.series(service, method.wire_name)

        async def attempt(call: Call, next: Service) -> Reply:
            started = now()
            endpoint = call.endpoint
            endpoint.in_flight += 1
            series.in_flight += 1
            series.request_bytes += len(call.body)
            outcome = "unexpected"
            try:
                reply = await next(call)
                series.response_bytes += len(reply.body)
                if reply.outcome is OK:
                    outcome = "ok"
                    return reply
                outcome = outcome_label(reply.outcome)
                if isinstance(reply.outcome, (Busy, Unreachable)):
                    endpoint.avoid(now() + AVOID_S)
                return reply
            except asyncio.CancelledError:
                outcome = "cancelled"
                raise
            finally:
                endpoint.in_flight -= 1
                series.in_flight -= 1
                series.finished(call.caller, outcome, now() - started)

        return attempt

    return make
