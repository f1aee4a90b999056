"""`mesh ps`: what runs. `mesh restart NAME...`, `mesh scale SERVICE=N...`: what shall run instead.

One rule: the answer comes from the supervisor; nothing here guesses from files or pids.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from mesh.cli import running
from mesh.cli.exits import CommandError
from mesh.cli.output import print_json, print_line
from mesh.cli.table import columns

HEAD = ("instance", "state", "pid", "rpc", "admin", "up", "restarts", "calls/s", "p99 ms", "cpu %", "MiB")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ps = subparsers.add_parser("ps", help="the instances of the running cluster, with state, ports and figures")
    running.add_option(ps)
    ps.add_argument("--json", action="store_true", help="print one object")
    ps.set_defaults(run=run_ps)
    restart = subparsers.add_parser(
        "restart",
        help="rolling restart: new processes with the plan as it is now, one after the other",
        description="Starts a new process beside each instance, waits until it is ready, then drains the old one."
        " Stops at the first that does not become healthy, and goes back. Reads cluster.toml and .env again.",
    )
    restart.add_argument("names", nargs="*", metavar="NAME", help="a service, or an instance such as pricing-1")
    restart.add_argument("--all", action="store_true", help="every service")
    running.add_option(restart)
    restart.add_argument("--json", action="store_true", help="print one object")
    restart.set_defaults(run=run_restart)
    scale = subparsers.add_parser("scale", help="more or fewer instances, until the cluster ends: dispatch=3")
    scale.add_argument("counts", nargs="+", metavar="SERVICE=N", type=_count)
    running.add_option(scale)
    scale.add_argument("--json", action="store_true", help="print one object")
    scale.set_defaults(run=run_scale)


def run_ps(args: argparse.Namespace) -> int:
    answer = running.ask(running.find(args), "ps")
    if args.json:
        print_json(answer)
    else:
        show(answer)
    return 0


def show(answer: dict[str, Any]) -> None:
    """An answer to `ps`, for people."""
    overlays = f" with {', '.join(answer['overlays'])}" if answer["overlays"] else ""
    print_line(f"cluster {answer['name']} ({answer['file']}{overlays}), supervisor pid {answer['pid']}")
    print_line(f"registry {answer['registry']}")
    for service, ports in answer["shared"].items():
        for port, at in ports.items():
            print_line(f"{service} {port} http://{at}")
    print_line("")
    for line in columns(HEAD, _rows(answer["instances"])).splitlines():
        print_line(line)
    for one in answer["instances"]:
        if one["detail"] and one["state"] != "ready":
            print_line(f"{one['id']}: {one['detail']}")
    if answer["stopping"]:
        print_line("it stops")
    if answer.get("under_way"):
        print_line(f"{answer['under_way']} is under way")


def _rows(instances: Iterable[dict[str, Any]]) -> list[list[object]]:
    return [
        [
            f"({one['name']})" if one["beside"] else one["id"],
            one["state"],
            one["pid"] or None,
            one["listen"].rpartition(":")[2],
            one["admin"].rpartition(":")[2],
            _duration(one["uptime_s"]),
            one["restarts"],
            _number(one["calls_per_s"], 1),
            _number(one["p99_ms"], 1),
            _number(one["cpu"], 0, 100),
            _number(one["rss_bytes"], 0, 1 / 2**20),
        ]
        for one in instances
    ]


def _number(value: float | None, digits: int, factor: float = 1) -> str | None:
    return None if value is None else f"{value * factor:.{digits}f}"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def run_restart(args: argparse.Namespace) -> int:
    if bool(args.names) == args.all:
        raise CommandError("say which services or instances, or --all" if not args.all else "NAMES or --all, not both")
    found = running.find(args)
    names = running.ask(found, "ps")["services"] if args.all else args.names
    running.check_names(found, names, instances=True)
    answer = running.ask(found, "restart", timeout_s=None, names=names)
    if args.json:
        print_json(answer)
    else:
        done = answer["restarted"]
        print_line(f"{len(done)} instances restarted: {', '.join(one['id'] for one in done) or 'none was there'}")
    return 0


def run_scale(args: argparse.Namespace) -> int:
    counts = dict(args.counts)
    if len(counts) != len(args.counts):
        raise CommandError("a service stands there twice; one number each")
    found = running.find(args)
    running.check_names(found, list(counts), instances=False)
    answer = running.ask(found, "scale", timeout_s=None, counts=counts)
    if args.json:
        print_json(answer)
    else:
        for service, one in answer["scaled"].items():
            print_line(f"{service}: {one['before']} -> {one['after']}")
    return 0


def _count(text: str) -> tuple[str, int]:
    service, equals, number = text.partition("=")
    if not equals or not service or not number.isascii() or not number.isdigit() or len(number) > 4:
        raise argparse.ArgumentTypeError(f"expected SERVICE=N, for instance dispatch=3; got {text!r}")
    return service, int(number)
