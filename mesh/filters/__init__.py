"""One small file a filter; `mesh/stacks.py` puts them in order."""

from mesh.filters.attempt import attempt
from mesh.filters.deadline import client_deadline, server_deadline
from mesh.filters.debug import debuggable
from mesh.filters.measure import measure
from mesh.filters.metrics import CallMetrics
from mesh.filters.retry import retry_not_run
from mesh.filters.trace import client_trace, server_trace

__all__ = [
    "CallMetrics", "attempt", "client_deadline", "client_trace", "debuggable", "measure", "retry_not_run",
    "server_deadline", "server_trace",
]  # fmt: skip
