"""`mesh dev [SERVICE...]`: the cluster, or some services of it, with every edit live as soon as it works.

One rule: it is `mesh up` with one instance of each service, and a `Reloader` beside it (mesh/dev).

With SERVICE it is a cluster of its own, called NAME-SERVICE, with its own Consul, ports and data, so that it runs
beside a `mesh up` of the same folder; without, it takes that one's place, name and data.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from mesh.cli import exits, up
from mesh.cli.exits import CommandError
from mesh.cluster import Cluster, ClusterConfig, ClusterError
from mesh.cluster.plan import Source, default_name
from mesh.dev.display import DevDisplay, display
from mesh.dev.reload import Reloader
from mesh.dev.tree import TooManyFiles

MAX_NAME = 40  # of a cluster (mesh.cluster.plan)
# A crash is tried once more (somebody killed it); a program that cannot start is told at once, and waits for an edit.
CRASHES = 2
# So that whoever stands at a breakpoint keeps that process for as long when an edit replaces it; the most that a node
# and a plan allow.
DEBUG_DRAIN_S = 600
DEBUG_ENV = {"MESH_DEBUG": "1", "MESH_WATCHDOG_MS": "0", "MESH_DRAIN_MS": str(DEBUG_DRAIN_S * 1000)}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh dev`."""
    dev = subparsers.add_parser(
        "dev",
        help="run the cluster, or one service, and reload what is edited",
        description="Runs one instance of each service of cluster.toml. An edited handler or contract is live within "
        "two seconds; one that is broken is told, and the process from before goes on serving. See docs/dev.md.",
    )
    dev.add_argument("only", nargs="*", metavar="SERVICE", help="only these; default: all of cluster.toml")
    dev.add_argument("--file", default="cluster.toml", type=Path, help="default: ./cluster.toml")
    dev.add_argument("--name", type=up.name, help="the cluster's name; default: that of mesh up, with -SERVICE for one")
    dev.add_argument("--json", action="store_true", help="one JSON event per line instead of the table")
    up.add_plan_options(dev)
    dev.add_argument(
        "--debug",
        dest="debug_mode",
        action="store_true",
        help="calls that carry the debug mark (mesh call --debug) have no deadline, so that a breakpoint ends none",
    )
    dev.set_defaults(run=run_dev)


def run_dev(args: argparse.Namespace) -> int:
    """Runs until it is told to stop. Raises ConfigError, CommandError."""
    asked = up.source_of(args)
    source = replace(asked, alter=lambda config: for_dev(asked.alter(config), debug=args.debug_mode))
    name = args.name or _name(source.read().name or default_name(args.file.parent), args.only)
    shown = display(sys.stdout, json_lines=args.json)
    try:
        return asyncio.run(_Session(source, name, shown).run())
    except (ClusterError, TooManyFiles) as error:
        raise CommandError(str(error), code=exits.NO) from None


def _name(cluster: str, services: list[str]) -> str:
    """A part of the cluster is a cluster beside it."""
    part = "-".join(services)[: MAX_NAME // 2]
    return f"{cluster[: MAX_NAME - 1 - len(part)]}-{part}" if part else cluster


def for_dev(config: ClusterConfig, *, debug: bool) -> ClusterConfig:
    """One instance of each service: an edit costs one start, and a breakpoint stands in one process."""
    services = {
        name: replace(service, instances=min(1, service.instances), drain_s=DEBUG_DRAIN_S if debug else service.drain_s)
        for name, service in config.services.items()
    }
    asked = {key: value for key, value in DEBUG_ENV.items() if key == "MESH_DEBUG" or key not in os.environ}
    env = {**asked, **config.env} if debug else config.env
    return replace(config, services=services, env=env, restart=replace(config.restart, crashes=CRASHES))


class _Session(up.Session):
    """One `mesh dev`, from the first process to the last."""

    def __init__(self, source: Source, name: str, display: DevDisplay) -> None:
        super().__init__(source, name, [], display)
        self._reloader = Reloader(self._cluster, source, display.tell)

    async def _inside(self, cluster: Cluster, begun: float) -> int:
        await asyncio.to_thread(self._reloader.rebuild_stubs)
        following = asyncio.create_task(self._reloader.run(), name="reloader")
        staying = asyncio.create_task(self._stay(cluster, begun), name="cluster")
        try:
            done, _ = await asyncio.wait((following, staying), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # neither ends by itself: a bug comes out here
        finally:
            for task in (following, staying):
                task.cancel()
            await asyncio.wait((following, staying))
        return 0

    async def _stay(self, cluster: Cluster, begun: float) -> None:
        try:
            await cluster.ready()
        except ClusterError as error:
            self._display.say("not_ready", f"{str(error).splitlines()[0]}; edits are followed all the same")
        else:
            self._display.ready(cluster, time.monotonic() - begun)
            self._display.say(
                "watching",
                f"following {self._reloader.watched} files; mesh logs -f shows what is printed; Ctrl-C ends it",
            )
        await cluster.until(lambda: False, None)
