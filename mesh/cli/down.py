"""`mesh down` stops the cluster that runs here; `mesh reset` deletes its data.

One rule: when `down` has ended, nothing of the cluster runs any more; `reset` touches nothing that runs, and nothing
but what lies in the cluster's own folder.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import psutil

from mesh.cli import exits, running
from mesh.cli.exits import CommandError
from mesh.cli.output import print_json, print_line
from mesh.cluster import leftovers, reach
from mesh.cluster.reach import Found
from mesh.cluster.rundir import TAKEOVER_S, ClusterError
from mesh.cluster.state_file import unfinished

POLL_S = 0.1
SETTLE_S = TAKEOVER_S + 2.0  # the lock is held without a socket at the very beginning, and while a keeper clears up
SHOW_S = 2.0  # between two lines on what is still draining
# By default a drain takes 12 s at the most, and there are three of them in a row: doors, services, Consul.
DEFAULT_TIMEOUT_S = 120.0


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    down = subparsers.add_parser("down", help="stop the running cluster in good order, and wait for its end")
    running.add_option(down)
    down.add_argument("--now", action="store_true", help="kill everything at once, without draining")
    down.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, metavar="S", help="default: %(default)g")
    down.add_argument("--json", action="store_true", help="print one object; what happens meanwhile goes to stderr")
    down.set_defaults(run=run_down)
    reset = subparsers.add_parser("reset", help="delete the data of the cluster, or that of some services")
    reset.add_argument("services", nargs="*", metavar="SERVICE", help="default: everything, Consul's data too")
    running.add_option(reset)
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.add_argument("--force", action="store_true", help="stop the cluster first if it runs")
    reset.add_argument("--json", action="store_true", help="print one object")
    reset.set_defaults(run=run_reset)


def run_down(args: argparse.Namespace) -> int:
    found = reach.live(Path.cwd(), args.cluster)
    if sum(one.answers for one in found) > 1:
        running.find(args)  # says that there are several
    if not any(one.answers or one.held or one.left for one in found):
        which = f"no cluster {args.cluster!r}" if args.cluster else "no cluster"
        print_line(f"{which} runs in {Path.cwd()} or a folder above it", error=True)
    stopped, cleared = [], []
    for one in sorted(found, key=lambda one: not one.answers):
        settled = _settled(one)
        if settled.answers:
            stop(settled, now=args.now, timeout_s=args.timeout, json=args.json)
            stopped.append(one.name)
        elif one.left and not any(other.answers for other in found):
            _clear(one, json=args.json)
            cleared.append(one.name)
    if args.json:
        print_json({"stopped": stopped, "cleared": cleared})
    return exits.OK


def _settled(found: Found) -> Found:
    """`found`, after a cluster that has its lock and takes no commands has begun, or ended."""
    until = time.monotonic() + SETTLE_S
    while found.held and not found.answers and time.monotonic() < until:
        time.sleep(POLL_S)
        found = reach.look(found.run)
    return found


def stop(found: Found, *, now: bool, timeout_s: float, json: bool = False) -> None:
    """Stops a running cluster; returns when the last of its processes has ended. Raises CommandError."""
    begun = shown = time.monotonic()
    supervisor = _process(running.ask(found, "ps")["pid"])
    running.ask(found, "down", at_once=now)
    while reach.held(found.run) or _lives(supervisor):
        at = time.monotonic()
        if at - begun > timeout_s:
            raise CommandError(
                f"the cluster {found.name!r} still stops after {timeout_s:g} s: {_waits_for(found)}",
                code=exits.NO,
                advice="it goes on; wait with another mesh down, or end it with mesh down --now",
            )
        if at - shown > SHOW_S:
            running.say(f"stopping: {_waits_for(found)}")
            shown = at
        time.sleep(POLL_S)
    print_line(f"the cluster {found.name!r} in {found.directory} has stopped", error=json)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None  # it has ended since it answered


def _lives(process: psutil.Process | None) -> bool:
    """Whether it runs; it gives its lock back a moment before its end."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _waits_for(found: Found) -> str:
    return ", ".join(unfinished(found.run)) or "its last processes"


def _clear(found: Found, *, json: bool = False) -> None:
    try:
        count = asyncio.run(leftovers.clear(found.run))
    except ClusterError as error:
        raise CommandError(str(error), code=exits.NO) from None
    print_line(
        f"the supervisor of {found.name!r} had been killed; its leftovers in {found.run} are gone"
        + (f", {count} processes ended" if count else ", nothing was running any more"),
        error=json,
    )


def run_reset(args: argparse.Namespace) -> int:
    found = _one(args)
    if (found.answers or found.held) and not args.force:
        raise CommandError(
            f"the cluster {found.name!r} runs: its data stay", code=exits.NO, advice="mesh down first, or --force"
        )
    try:
        doomed = leftovers.data_of(found.run, args.services)
    except (ClusterError, ValueError) as error:
        raise CommandError(str(error)) from None
    if doomed and not args.yes:
        _confirm(found, doomed)
    if found.answers:
        stop(found, now=False, timeout_s=DEFAULT_TIMEOUT_S, json=args.json)
    try:
        gone = asyncio.run(leftovers.reset(found.run, args.services))
    except ClusterError as error:
        raise CommandError(str(error), code=exits.NO) from None
    if args.json:
        print_json({"cluster": found.name, "deleted": [str(path) for path in gone]})
    else:
        for line in [f"deleted {path}" for path in gone] or [f"the cluster {found.name!r} has no data"]:
            print_line(line)
    return exits.OK


def _one(args: argparse.Namespace) -> Found:
    found = reach.here(Path.cwd(), args.cluster)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise CommandError(
            f"several clusters are in {found[0].directory}: {names}", advice="choose with --cluster NAME"
        )
    if not found:
        raise CommandError(f"no cluster was ever started in {Path.cwd()} or a folder above it", code=exits.NO)
    return found[0]


def _confirm(found: Found, doomed: list[Path]) -> None:
    if not sys.stdin.isatty():
        raise CommandError("mesh reset deletes data and nobody can be asked here", advice="say --yes")
    print_line(f"This deletes the data of the cluster {found.name!r}:")
    for path in doomed:
        print_line(f"  {path}")
    if found.answers:
        print_line("It runs, and is stopped first.")
    print("Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was deleted", code=exits.NO)
