"""`mesh up`: the dev cluster in the foreground, until Ctrl-C, `mesh down` or the end of the program given with --run.

One rule: however it ends, everything that it started has ended first. Exit codes: 0, 1 for a cluster that did not get
ready, 2 for a wrong cluster.toml; with --run the program's own; 128 + N after the signal N, but 0 after a Ctrl-C or
`mesh down` without --run, which are the ordinary ends. With -d see `detached`.
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

from mesh.cli import detached, exits
from mesh.cli.exits import CommandError
from mesh.cluster.cluster import Cluster
from mesh.cluster.commands import Commands
from mesh.cluster.display import Display, JsonLines, Lines, LiveTable
from mesh.cluster.plan import ClusterConfig, Source, check_name
from mesh.cluster.rundir import ClusterError
from mesh.config import ConfigError

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
    up.add_argument("-d", "--detach", action="store_true", help="in the background; returns when all are ready")
    up.add_argument("--json", action="store_true", help="one JSON event per line instead of the table; -d: one object")
    up.add_argument("--only", metavar="NAME", nargs="+", action="extend", help="run these services and no others")
    add_plan_options(up)
    up.add_argument(
        "--run",
        dest="run_command",
        metavar="COMMAND",
        help="when all are ready run COMMAND (with MESH_STATE, MESH_REGISTRY), then stop all and exit with its code",
    )
    up.set_defaults(run=run_up)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """What changes the plan: the options that `source_of` reads, besides the file and `only`."""
    parser.add_argument(
        "--overlay",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="lay cluster.NAME.toml, or FILE, over the file; repeatable, the last one wins",
    )
    consul = parser.add_mutually_exclusive_group()
    consul.add_argument("--no-consul", action="store_true", help="use a peers file as the registry")
    consul.add_argument(
        "--join",
        metavar="HOST:PORT,...",
        type=_addresses,
        help="a shared Consul in place of its own, the nearest agent first; https:// for TLS; MESH_CONSUL_TOKEN",
    )
    parser.add_argument(
        "--advertise",
        metavar="ADDR|IFACE",
        help=f"where others find what runs here; default: {ADVERTISE}, else the address on the way to Consul",
    )


def run_up(args: argparse.Namespace) -> int:
    """Runs the cluster until it is told to stop. Raises ConfigError, CommandError."""
    command = shlex.split(args.run_command) if args.run_command else []
    if args.detach and command:
        raise CommandError("-d and --run exclude each other: a detached cluster has no terminal for COMMAND")
    if args.detach:
        return detached.start(source_of(args), args.name or "", _again(args), json=args.json)
    try:
        return asyncio.run(session(args, _display(args.json, command), command).run())
    except ClusterError as error:
        raise CommandError(str(error), code=exits.NO) from None


def session(args: argparse.Namespace, display: Display, command: list[str]) -> Session:
    """What `args` ask for, ready to run. Raises ConfigError when the plan cannot be read."""
    return Session(source_of(args), args.name or "", command, display)


def source_of(args: argparse.Namespace) -> Source:
    """The file's plan with what the command line says, at every reading."""

    def alter(config: ClusterConfig) -> ClusterConfig:
        if args.only:
            config = config.only(args.only)
        if args.no_consul:
            config = config.without_consul()
        else:
            config = config.joining(args.join or (), args.advertise or os.environ.get(ADVERTISE, ""))
        if args.advertise and not config.consul.join:
            raise ConfigError("--advertise goes with --join: without it everything stays on loopback")
        return config

    return Source(args.file, tuple(args.overlay), alter)


def _again(args: argparse.Namespace) -> list[str]:
    """The same arguments once more, for the process in the background."""
    options = [f"--overlay={name}" for name in args.overlay]
    options += [f"--name={args.name}"] if args.name else []
    options += ["--no-consul"] if args.no_consul else []
    options += [f"--join={','.join(args.join)}"] if args.join else []
    options += [f"--advertise={args.advertise}"] if args.advertise else []
    return [*options, str(args.file), *(["--only", *args.only] if args.only else [])]


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
    """One `mesh up`, from the first process to the last. Raises ConfigError when the plan cannot be read."""

    def __init__(self, source: Source, name: str, command: list[str], display: Display) -> None:
        self._display = display
        self._command = command
        self._cluster = Cluster(
            source.read(),
            source.path.parent,
            name=name,
            adopt=True,
            answer=Commands(lambda: self._cluster, source, self._asked_down).answer,
            say=lambda text: display.say("note", text),
        )
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
            return 0 if self._signal in (0, signal.SIGINT) and not self._command else 128 + self._signal

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

    def _asked_down(self, at_once: bool) -> None:
        """`mesh down` in another terminal; with `at_once` also while it is stopping already."""
        if at_once:
            self._cluster.kill_all()
        if self._leaving:
            return
        self._leaving = True
        self._signal = signal.SIGTERM if self._command else 0  # the program's share of it
        self._display.say("stopping", "mesh down: stopping")
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
