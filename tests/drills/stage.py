"""What every drill stands on: the city with an echo service and two of everything, a client node, and the verdict.

One rule: a drill adds nothing that makes the city safer than cluster.toml does, but a second instance of each service:
without one, a restart is an outage.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from mesh.cluster import Change, Cluster, ClusterConfig, ServiceConfig, State, load
from mesh.cluster.commands import Commands
from mesh.cluster.plan import Source
from mesh.cluster.rundir import RunDirectory
from mesh.node import Node
from tests.drills.echo_service import LEDGER
from tests.drills.traffic import Book, Traffic

ROOT = Path(__file__).parents[2]
ECHO = ServiceConfig(instances=2, command=("{python}", "-m", "tests.drills.echo_service"))


@dataclass
class Stage:
    """The running city and the traffic on it."""

    cluster: Cluster
    traffic: Traffic
    ledger: Path

    @property
    def book(self) -> Book:
        return self.traffic.book


def plan() -> ClusterConfig:
    """cluster.toml with two instances of each service at least, and the echo service."""
    config = load(ROOT / "cluster.toml")
    services = {
        name: replace(service, instances=max(2, service.instances)) for name, service in config.services.items()
    }
    return replace(config, services={**services, "echo": ECHO})


def arguments(description: str | None, **defaults: float) -> argparse.Namespace:
    """--rate and what else a drill has, as numbers."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in {"rate": 200.0, **defaults}.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"default: {default}"
        )
    return parser.parse_args()


@contextlib.asynccontextmanager
async def stage(
    name: str, rate_per_s: float, *, directory: Path = ROOT, source: Source | None = None
) -> AsyncIterator[Stage]:
    """The cluster `drill-NAME`, ready and under traffic. Leaving it waits for every call's end.

    With `source` it is that plan, and the cluster takes commands, other than `mesh down`.
    """
    async with RunDirectory(directory, f"drill-{name}") as run:  # a drill begins with an empty city
        shutil.rmtree(run.path / "data", ignore_errors=True)
    answer = Commands(lambda: cluster, source, lambda at_once: None).answer if source else None
    config = source.read() if source else plan()
    cluster = Cluster(config, directory, name=f"drill-{name}", say=note, answer=answer)
    async with cluster:
        ledger = cluster.state_file.parent / "data" / "echo" / LEDGER
        await cluster.ready()
        cluster.subscribe(_show_trouble)
        note(f"{len(cluster.instances)} processes ready; {rate_per_s:g} calls/s from now on")
        quiet = {"MESH_WATCHDOG_MS": "0"}  # the supervisor shares this loop, and starting a process takes a moment
        async with Node("drill", registry=cluster.registry, env=quiet, admin="off") as node:
            await node.start()
            traffic = Traffic(node, cluster.shared["gateway"]["http"], rate_per_s, random.Random())
            async with traffic:
                yield Stage(cluster, traffic, ledger)


def executions(stage: Stage) -> tuple[int, int]:
    """Of the calls that must run once: how many ran twice, and how many answered "ok" without having run."""
    ran = Counter(stage.ledger.read_text().split()) if stage.ledger.exists() else Counter()
    ticks = [call for call in stage.book.calls if call.kind == "rpc tick"]
    return sum(ran[call.id] > 1 for call in ticks), sum(call.code == "ok" and not ran[call.id] for call in ticks)


def verdict(stage: Stage, broken: list[str]) -> int:
    """Prints the book and what was promised and not kept; gives the exit code."""
    twice, lost = executions(stage)
    if twice or lost:
        broken = [*broken, f"{twice} calls ran twice, {lost} answered ok without having run"]
    calls = stage.book.calls
    print(stage.book.report())
    print(f"sent {len(calls)}, ok {len(calls) - len(stage.book.failed)}, failed {len(stage.book.failed)}")
    print("\n".join(f"BROKEN: {promise}" for promise in broken) or "every promise was kept", flush=True)
    return 1 if broken else 0


def note(text: str) -> None:
    print(f"- {text}", file=sys.stderr, flush=True)


def _show_trouble(change: Change) -> None:
    if change.state in (State.BACKOFF, State.FAILED, State.UNREADY):
        note(f"{change.id} {change.state}: {change.detail}")
