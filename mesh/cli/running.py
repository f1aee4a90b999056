"""The cluster that runs here, for the commands that ask it something.

One rule: every failure says where was looked and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesh.cli import exits
from mesh.cli.exits import CommandError, nearest
from mesh.cli.output import print_line
from mesh.cluster import reach
from mesh.cluster.protocol import Request
from mesh.cluster.reach import Found

ANSWER_S = 10.0  # for what the supervisor knows at once


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cluster", metavar="NAME", help="which cluster, where several run in one folder")


def find(args: argparse.Namespace) -> Found:
    """The one cluster that runs in this folder or above. Raises CommandError."""
    with failures():
        return reach.running(Path.cwd(), args.cluster)


def ask(found: Found, command: str, *, timeout_s: float | None = ANSWER_S, **arguments: Any) -> dict[str, Any]:
    """The cluster's answer; its progress goes to stderr. Raises CommandError."""
    with failures():
        return reach.ask(found, Request(command, arguments), progress=say, timeout_s=timeout_s)


def say(line: str) -> None:
    """Progress is for people: on stderr."""
    print_line(f"- {line}", error=True)


def check_names(found: Found, names: list[str], *, instances: bool) -> None:
    """Refuses a name that the cluster does not have, with the nearest one that it has."""
    there = ask(found, "ps")
    known = list(there["services"])
    if instances:
        known += [one["id"] for one in there["instances"] if one["service"] in there["services"]]
    for name in names:
        if name not in known:
            guess = nearest(name, known)
            hint = f"did you mean {guess}?" if guess else f"it has {', '.join(there['services'])}"
            kind = "service or instance" if instances else "service"
            raise CommandError(f"the cluster {found.name!r} has no {kind} {name!r}", advice=hint)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """What can go wrong between a command and a cluster, as this command's failure."""
    try:
        yield
    except reach.Unreachable as error:
        raise CommandError(str(error), code=exits.NO, advice=error.advice) from None
    except reach.Refused as error:
        raise CommandError(str(error), code=error.code) from None
    except TimeoutError as error:
        raise CommandError(str(error), code=exits.NO) from None
