"""Calls per second and p99 of an instance, out of two readings of its /metrics.

One rule: pure. Any process that writes the two families of the mesh in Prometheus' text format is shown, in whatever
language it is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

CALLS = "rpc_server_calls_total"
BUCKETS = "rpc_server_latency_seconds_bucket"
_LE = re.compile(r'[{,]le="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since the process began. `buckets`: upper bound in seconds -> calls at most so long (cumulative)."""

    at: float  # seconds, monotonic
    calls: float
    buckets: Mapping[float, float]


def read(text: str, at: float) -> Reading:
    """The mesh's two families in a Prometheus text. Raises ValueError when a line of them is none.

    prometheus_client's own parser takes 0.1 s for a busy node's page, on the loop that watches the cluster. Only two
    things are wanted here: what stands after the labels, and `le`. Inside a label's value a quote is escaped, so that
    the pattern for `le` fits nowhere else.
    """
    calls = 0.0
    buckets: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith(CALLS + "{"):
            calls += _value(line)
        elif line.startswith(BUCKETS + "{"):
            found = _LE.search(line)
            if found is None:
                raise ValueError(f"a bucket without le: {line[:200]}")
            bound = float(found[1])
            buckets[bound] = buckets.get(bound, 0.0) + _value(line)
    return Reading(at, calls, buckets)


def _value(line: str) -> float:
    """What follows the labels; a timestamp may follow it."""
    return float(line.rpartition("}")[2].split()[0])


def calls_per_s(old: Reading, new: Reading) -> float | None:
    """None when no time has passed or the process is another one by now (its counters went back)."""
    if new.at <= old.at or new.calls < old.calls:
        return None
    return (new.calls - old.calls) / (new.at - old.at)


def quantile_ms(old: Reading, new: Reading, q: float) -> float | None:
    """The `q` quantile of the calls between two readings, in milliseconds; None without calls.

    Linear within a bucket and the last finite bound for what lies above it, as Prometheus' histogram_quantile does.
    """
    bounds = sorted(new.buckets)
    counts = [new.buckets[bound] - old.buckets.get(bound, 0.0) for bound in bounds]
    if not counts or counts[-1] <= 0 or min(counts) < 0:
        return None
    rank = q * counts[-1]
    at = next(index for index, count in enumerate(counts) if count >= rank)
    low, below = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    if math.isinf(bounds[at]):
        return low * 1000 if at else None
    inside = counts[at] - below
    return (low + (bounds[at] - low) * ((rank - below) / inside if inside else 1.0)) * 1000
