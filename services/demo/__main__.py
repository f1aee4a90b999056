"""`python -m services.demo`: sends trips through the gateway and shows what came of them.

Exit code 0 only if every trip is accounted for; 2 when it could not begin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from idl import dispatch, drivers, payments, pricing, trips
from mesh.contract import service_of
from services import audit as auditing
from services.demo import figures, show
from services.demo.riders import Gateway, Riders
from services.drivers.store.zones import load_zones
from services.journal import Journal

READY_S = 20.0
LINE = 110
SERVICES = (pricing.Pricing, drivers.Drivers, dispatch.Dispatch, trips.Trips, payments.Payments)


def promises() -> dict[figures.Key, tuple[float | None, float | None]]:
    """What each method's contract says about p50 and p99, in milliseconds."""
    found = {}
    for service in map(service_of, SERVICES):
        for method in service.methods.values():
            sla = method.policy.sla
            found[service.registry_name, method.wire_name] = (sla.p50_ms, sla.p99_ms)
    return found


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m services.demo", description="real traffic through the gateway")
    parser.add_argument("--state", type=Path, default=os.environ.get("MESH_STATE"), help="the cluster's state.json")
    parser.add_argument("--gateway", help="URL (default: the shared port that --state names)")
    parser.add_argument("--data", type=Path, help="folder of the services' databases (default: data, beside --state)")
    parser.add_argument("--trips", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=8, help="riders at a time; 8 keep two cores busy")
    parser.add_argument("--seed", type=int, help="the same trips again")
    parser.add_argument("--journal", type=Path, help="what riders were told (default: demo.jsonl, beside the data)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on standard output")
    options = parser.parse_args(argv)
    if options.state is None and (options.gateway is None or options.data is None):
        parser.error("give --state FILE, or --gateway URL and --data DIR")
    if options.trips < 1 or options.concurrency < 1:
        parser.error("--trips and --concurrency are at least 1")
    return options


async def main(options: argparse.Namespace) -> int:
    console = Console(stderr=options.json)
    if not console.is_terminal:
        console.width = LINE  # a file has no width, and 80 would cut names off
    try:
        state = json.loads(options.state.read_text()) if options.state else {}
        gateway_url = options.gateway or f"http://{state['shared']['gateway']['http']}"
    except (OSError, ValueError, KeyError) as error:
        print(f"no running cluster in {options.state}: {error!r}; start one with: mesh up", file=sys.stderr)
        return 2
    data = options.data or options.state.parent / "data"
    nodes = figures.admins(options.state) if options.state else []
    run = f"demo-{uuid.uuid4().hex[:8]}"
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    with Journal(options.journal or data.parent / "demo.jsonl", run) as journal:
        gateway = Gateway(gateway_url, journal, options.concurrency)
        if not await gateway.ready(READY_S):
            print(f"the gateway at {gateway_url} does not answer; is the cluster up? See: mesh up", file=sys.stderr)
            return 2
        console.print(f"{options.trips} trips through {gateway_url}, seed {seed}")
        riders = Riders(gateway, load_zones(), random.Random(seed), run)
        before = await figures.scrape(nodes)
        began = time.monotonic()
        with show.progress(console, options.trips) as done:
            await riders.ride_all(options.trips, min(options.concurrency, options.trips), done)
        seconds = time.monotonic() - began
        lines = figures.table(figures.between(before, await figures.scrape(nodes)), promises())
        gateway.close()
    audit = auditing.audit(data, journal.path)
    if lines:
        show.figures(console, lines)
    show.books(console, audit)
    console.print(f"{options.trips} trips in {seconds:.1f} s; journal: {journal.path}")
    if options.json:
        methods = [{**asdict(line), "kept": line.kept} for line in lines]
        result = {
            "trips": options.trips,
            "seconds": seconds,
            "seed": seed,
            "audit": audit.to_dict(),
            "methods": methods,
        }
        print(json.dumps(result, indent=2))
    return 0 if audit.ok and audit.journalled == options.trips else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
