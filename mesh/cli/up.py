"""`mesh up`: the dev cluster in the foreground, until Ctrl-C or until the program given with --run has ended.

One rule: however it ends, everything that it started has ended first. Exit codes: 0, 1 for a cluster that did not get
ready, 2 for a wrong cluster.toml; with --run the program's own; 128 + N after the signal N, but 0 after a Ctrl-C
without --run, which is the ordinary end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.cluster.cluster import Cluster
from mesh.cluster.display import Display, JsonLines, Lines, LiveTable
from mesh.cluster.plan import ClusterConfig, check_name, load
from mesh.cluster.rundir import ClusterError

ADVERTISE = "MESH_ADVERTISE_HOST"
REFRESH_S = 0.5  # the figures change every two seconds, states are shown soon enough
RUN_GRACE_S = 10.0  # the program's time to end after a signal, as for a service that drains
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh up`."""
    up = subparsers.add_parser(
        "up",
        help="start Consul and every service of cluster.toml, and keep them running",
        description="Starts Consul and every service, restarts what crashes, stops everything on Ctrl-C.",
    )
    up.add_argument("file", nargs="?", default="cluster.toml", type=Path, help="default: ./cluster.toml")
    up.add_argument("--name", type=name, help="the cluster's name; default: the file's, else the folder's")
    up.add_argument("--json", action="store_true", help="one JSON event per line instead of the table")
    up.add_argument("--only", metavar="NAME", nargs="+", action="extend", help="run these services and no others")
    consul = up.add_mutually_exclusive_group()
    consul.add_argument("--no-consul", action="store_true", help="use a peers file as the registry")
    consul.add_argument(
        "--join",
        metavar="HOST:PORT,...",
        type=_addresses,
        help="a shared Consul in place of its own, the nearest agent first; https:// for TLS; MESH_CONSUL_TOKEN",
    )
    up.add_argument(
        "--advertise",
        metavar="ADDR|IFACE",
        help=f"where others find what runs here; default: {ADVERTISE}, else the address on the way to Consul",
    )
    up.add_argument(
        "--run",
        dest="run_command",
        metavar="COMMAND",
        help="when all are ready run COMMAND (with MESH_STATE, MESH_REGISTRY), then stop all and exit with its code",
    )
    up.set_defaults(run=run_up)


def run_up(args: argparse.Namespace) -> int:
    """Runs the cluster until it is told to stop. Raises ConfigError, CommandError."""
    config = _plan(args)
    command = shlex.split(args.run_command) if args.run_command else []
    try:
        return asyncio.run(
            Session(config, args.file.parent, args.name or "", command, _display(args.json, command)).run()
        )
    except ClusterError as error:
        raise CommandError(str(error), code=exits.NO) from None


def _plan(args: argparse.Namespace) -> ClusterConfig:
    """The file's plan with what the command line says. Raises ConfigError."""
    config = load(args.file)
    if args.only:
        config = config.only(args.only)
    if args.no_consul:
        return config.without_consul()
    config = config.joining(args.join or (), args.advertise or os.environ.get(ADVERTISE, ""))
    if args.advertise and not config.consul.join:
        raise CommandError("--advertise goes with --join: without it everything stays on loopback")
    return config


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def name(text: str) -> str:
    try:
        check_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _display(json: bool, command: list[str]) -> Display:
    if json:
        return JsonLines(sys.stderr if command else sys.stdout)
    if command:
        return Lines(sys.stderr, quiet=True)  # the program has the terminal
    console = Console()
    return LiveTable(console) if console.is_terminal else Lines(sys.stdout)


class Session:
    """A cluster in the foreground, from the first process to the last: one `mesh up`."""

    def __init__(self, config: ClusterConfig, directory: Path, name: str, command: list[str], display: Display) -> None:
        self._display = display
        self._command = command
        self._cluster = Cluster(config, directory, name=name, adopt=True, say=lambda text: display.say("note", text))
        self._main: asyncio.Task[int] | None = None
        self._signal = 0
        self._leaving = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self._signalled, number)
        self._main = asyncio.create_task(self._supervise())
        try:
            return await self._main
        except asyncio.CancelledError:
            return 0 if self._signal == signal.SIGINT and not self._command else 128 + self._signal

    def _signalled(self, number: int) -> None:
        """The first signal stops everything in good order, the second one at once."""
        if self._leaving:
            self._cluster.kill_all()
            return
        self._leaving = True
        self._signal = number
        self._display.say("stopping", f"{signal.Signals(number).name}: stopping; once more to kill everything at once")
        if self._main is not None:
            self._main.cancel()

    async def _supervise(self) -> int:
        begun = time.monotonic()
        with self._display as display:
            display.say("starting", self._plan())
            self._cluster.subscribe(display.change)
            refreshing = asyncio.create_task(self._refresh())
            try:
                async with self._cluster as cluster:
                    return await self._inside(cluster, begun)
            finally:
                refreshing.cancel()
                self._leaving = True

    def _plan(self) -> str:
        config = self._cluster.config
        count = sum(service.instances for service in config.services.values())
        consul = "Consul and " if config.consul.enabled and not config.consul.join else ""
        return f"cluster {self._cluster.name}: starting {consul}{count} instances of {len(config.services)} services"

    async def _inside(self, cluster: Cluster, begun: float) -> int:
        try:
            await cluster.ready()
        except ClusterError as error:
            if self._command:
                raise
            self._display.say("not_ready", str(error))  # the others may serve all the same; a person decides
        else:
            self._display.ready(cluster, time.monotonic() - begun)
        if self._command:
            return await self._run_command(cluster)
        await cluster.until(lambda: False, None)
        return 0

    async def _run_command(self, cluster: Cluster) -> int:
        """In this session and process group: it is the user's program, on the user's terminal."""
        try:
            child = await cluster.run_program(self._command)
        except OSError as error:
            raise ClusterError(f"cannot run {self._command[0]}: {error.strerror}") from None
        try:
            return _exit_code(await child.wait())
        except asyncio.CancelledError:
            await _end(child, lambda: child.send_signal(self._signal))
            raise

    async def _refresh(self) -> None:
        while True:
            self._display.refresh(self._cluster)
            await asyncio.sleep(REFRESH_S)


async def _end(child: asyncio.subprocess.Process, ask: Callable[[], None]) -> None:
    try:
        ask()
        async with asyncio.timeout(RUN_GRACE_S):
            await child.wait()
    except ProcessLookupError:
        pass
    except TimeoutError:
        child.kill()
        await child.wait()


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code
