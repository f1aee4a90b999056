"""Calls, errors and latencies per service and method, out of the nodes' /metrics, beside the contract's promises.

Latencies are the callers' (`rpc_client_*`), as the promises are. Pure but for `scrape`.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import AsyncHTTPClient

Key = tuple[str, str]  # service, method
CALLS = "rpc_client_calls_total"
BUCKETS = "rpc_client_latency_seconds_bucket"
ANSWERS = ("ok", "declared")


@dataclass(slots=True)
class Tally:
    """Of one method: calls by outcome, and how many took at most so many seconds."""

    outcomes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Figures:
    """A line of the table. Latencies in milliseconds; None where nothing was called or nothing promised."""

    service: str
    method: str
    calls: int
    errors: int
    declared: int
    p50_ms: float | None
    p99_ms: float | None
    sla_p50_ms: float | None
    sla_p99_ms: float | None

    @property
    def kept(self) -> bool:
        """Whether the latencies are as promised."""
        pairs = ((self.p50_ms, self.sla_p50_ms), (self.p99_ms, self.sla_p99_ms))
        return all(is_ is None or promised is None or is_ <= promised for is_, promised in pairs)


def admins(state: Path) -> list[str]:
    """The admin addresses of every instance in the cluster's state file."""
    services: dict[str, list[dict[str, Any]]] = json.loads(state.read_text())["services"]
    return [one["admin"] for instances in services.values() for one in instances if one.get("admin")]


async def scrape(addresses: Iterable[str]) -> dict[str, dict[Key, Tally]]:
    """By address; a node that does not answer is left out."""
    http = AsyncHTTPClient(force_instance=True)

    async def one(address: str) -> tuple[str, dict[Key, Tally]] | None:
        try:
            response = await http.fetch(f"http://{address}/metrics", request_timeout=5)
            return address, tallies(response.body.decode())
        except Exception:
            return None  # it is just restarting, or no node of the mesh

    try:
        return dict(filter(None, await asyncio.gather(*map(one, addresses))))
    finally:
        http.close()


def tallies(text: str) -> dict[Key, Tally]:
    """The client's families in a Prometheus text."""
    wanted = "\n".join(line for line in text.splitlines() if line.startswith((CALLS, BUCKETS)))
    found: dict[Key, Tally] = defaultdict(Tally)
    for family in text_string_to_metric_families(f"{wanted}\n"):
        for sample in family.samples:
            tally = found[sample.labels["service"], sample.labels["method"]]
            if sample.name == CALLS:
                tally.outcomes[sample.labels["outcome"]] += sample.value
            elif sample.name == BUCKETS:
                tally.buckets[float(sample.labels["le"])] += sample.value
    return found


def between(old: Mapping[str, dict[Key, Tally]], new: Mapping[str, dict[Key, Tally]]) -> dict[Key, Tally]:
    """What came between two scrapes, of all nodes together. One that restarted in between counts from zero."""
    total: dict[Key, Tally] = defaultdict(Tally)
    for address, found in new.items():
        before = old.get(address, {})
        restarted = any(
            sum(before[key].outcomes.values()) > sum(found.get(key, Tally()).outcomes.values()) for key in before
        )
        for key, tally in found.items():
            base = Tally() if restarted else before.get(key, Tally())
            for outcome, count in tally.outcomes.items():
                total[key].outcomes[outcome] += count - base.outcomes.get(outcome, 0)
            for bound, count in tally.buckets.items():
                total[key].buckets[bound] += count - base.buckets.get(bound, 0)
    return total


def quantile_ms(buckets: Mapping[float, float], q: float) -> float | None:
    """Linear within a bucket; above the last finite bound, that bound."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank = q * buckets[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            break
        low, below = bound, buckets[bound]
    if math.isinf(bound):
        return low * 1000
    return 1000 * (low + (bound - low) * (rank - below) / ((buckets[bound] - below) or 1))


def table(totals: Mapping[Key, Tally], promises: Mapping[Key, tuple[float | None, float | None]]) -> list[Figures]:
    """Lines by service and method. `promises` are p50 and p99 in milliseconds."""
    lines = []
    for (service, method), tally in sorted(totals.items()):
        calls = sum(tally.outcomes.values())
        errors = sum(count for outcome, count in tally.outcomes.items() if outcome not in ANSWERS)
        declared = tally.outcomes.get("declared", 0)
        promised = promises.get((service, method), (None, None))
        quantiles = (quantile_ms(tally.buckets, 0.5), quantile_ms(tally.buckets, 0.99))
        if calls:
            lines.append(Figures(service, method, int(calls), int(errors), int(declared), *quantiles, *promised))
    return lines
