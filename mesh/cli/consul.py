"""`mesh consul get`: has a real Consul agent at hand, so that `mesh up` does not have to fetch one later.

One rule: stdout is the answer (a path, or JSON), stderr the progress.
"""

from __future__ import annotations

import argparse
import json

from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.discovery.agent import ConsulUnavailable, find_consul, version_of


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh consul get [--json]`."""
    consul = subparsers.add_parser("consul", help="the Consul agent that `mesh up` starts")
    commands = consul.add_subparsers(dest="consul_command", required=True, metavar="COMMAND")
    get = commands.add_parser(
        "get",
        help="find an agent on the PATH or in the cache, or fetch one from this machine's Debian archive",
    )
    get.add_argument("--json", action="store_true", help='print {"path": ..., "version": ...}')
    get.set_defaults(run=run_get)


def run_get(args: argparse.Namespace) -> int:
    """Prints the agent's path. Raises CommandError when none can be had."""
    try:
        path = find_consul()
    except ConsulUnavailable as error:
        raise CommandError(str(error), code=exits.NO) from None
    if args.json:
        print(json.dumps({"path": str(path), "version": version_of(path)}))
    else:
        print(path)
    return 0
