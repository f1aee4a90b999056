"""Counts kept as plain integers on the hot path and folded into Prometheus when it scrapes.

A `labels()` costs more than the call it counts and a kept child's histogram still 700 ns; a list increment 115. One
rule: every label's values are bounded, since a peer chooses some of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# Upper bounds in seconds. From 50 us (a local call) to the longest deadline anybody should have; steps of about two,
# so that a quantile read from them is within a factor that matters.
LATENCY_BOUNDS_S = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
)  # fmt: skip
MAX_CALLERS = 100  # distinct callers counted by name; a peer claims its own, so the rest are told together
OTHER = "other"


class Series:
    """What is counted of the calls of one service and method on one side."""

    __slots__ = (
        "buckets",
        "in_flight",
        "latency_sum_s",
        "method",
        "outcomes",
        "request_bytes",
        "response_bytes",
        "service",
    )

    def __init__(self, service: str, method: str) -> None:
        self.service = service
        self.method = method
        self.in_flight = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.latency_sum_s = 0.0
        self.buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.outcomes: dict[tuple[str, str], int] = {}  # (caller, outcome) -> calls

    def finished(self, caller: str, outcome: str, seconds: float) -> None:
        key = (caller, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        self.buckets[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.latency_sum_s += seconds


class CallMetrics(Collector):
    """All series of one side of a node: `prefix` is `rpc_server`, `rpc_client` or `rpc_client_attempt`.

    Gives `PREFIX_calls_total` by caller, service, method and outcome; `PREFIX_latency_seconds`, `PREFIX_in_flight`,
    `PREFIX_request_bytes_total` and `PREFIX_response_bytes_total` by service and method.
    """

    def __init__(self, prefix: str, max_callers: int = MAX_CALLERS) -> None:
        self._prefix = prefix
        self._max_callers = max_callers
        self._series: dict[tuple[str, str], Series] = {}
        self._callers: set[str] = set()

    def series(self, service: str, method: str) -> Series:
        """The series of a method; made once, kept by who counts."""
        key = (service, method)
        if key not in self._series:
            self._series[key] = Series(service, method)
        return self._series[key]

    def bounded_caller(self, caller: str) -> str:
        """`caller`, or `other` once too many distinct ones were seen."""
        if caller in self._callers:
            return caller
        if len(self._callers) >= self._max_callers:
            return OTHER
        self._callers.add(caller)
        return caller

    @property
    def started(self) -> int:
        """Calls that were ever begun, finished or not."""
        return sum(series.in_flight + sum(series.outcomes.values()) for series in self._series.values())

    def collect(self) -> Iterator[Metric]:
        by_method = ("service", "method")
        calls = CounterMetricFamily(
            f"{self._prefix}_calls", "Calls finished", labels=("caller", "service", "method", "outcome")
        )
        latency = HistogramMetricFamily(
            f"{self._prefix}_latency_seconds", "From the call's start to its answer", labels=by_method
        )
        in_flight = GaugeMetricFamily(f"{self._prefix}_in_flight", "Calls under way", labels=by_method)
        sent = CounterMetricFamily(f"{self._prefix}_request_bytes", "Bytes of request bodies", labels=by_method)
        received = CounterMetricFamily(f"{self._prefix}_response_bytes", "Bytes of reply bodies", labels=by_method)
        for series in list(self._series.values()):
            labels = (series.service, series.method)
            for (caller, outcome), count in list(series.outcomes.items()):
                calls.add_metric((caller, *labels, outcome), count)
            latency.add_metric(labels, _cumulative(series.buckets), series.latency_sum_s)
            in_flight.add_metric(labels, series.in_flight)
            sent.add_metric(labels, series.request_bytes)
            received.add_metric(labels, series.response_bytes)
        yield from (calls, latency, in_flight, sent, received)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    """Prometheus' form: each bound with the count of everything up to it."""
    total = 0
    told = []
    for bound, count in zip((*(str(bound) for bound in LATENCY_BOUNDS_S), "+Inf"), buckets, strict=True):
        total += count
        told.append((bound, float(total)))
    return told
