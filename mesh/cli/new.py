"""`mesh new PROJECT` and `mesh new service NAME`: a project in the layout that this toolkit has itself.

One rule: nothing is overwritten, and what is refused has left nothing behind.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mesh.cli.exits import OK, CommandError
from mesh.cli.output import print_json, print_line
from mesh.scaffold import ScaffoldError, find_project, new_project, new_service

SERVICE = "service"  # the word, so no project's name
USAGE = (
    "mesh new PROJECT [--service NAME] [--owner TEAM] [--json]\n       mesh new service NAME [--owner TEAM] [--json]"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh new`."""
    new = subparsers.add_parser(
        "new",
        help="make a project, or a service in one",
        usage=USAGE,
        description="Writes a project with its first service (contract, service, tests, cluster.toml, settings), or "
        "another service into the project of this folder.",
    )
    new.add_argument("words", metavar="PROJECT | service NAME", nargs="+", help="a folder to make; or a service's name")
    new.add_argument("--service", metavar="NAME", help="the project's first service (default: greeter)")
    new.add_argument("--owner", metavar="TEAM", help="who owns the service (default: the project's name)")
    new.add_argument("--json", action="store_true", help="print what was written as one JSON object")
    new.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    first, *rest = args.words
    try:
        if first == SERVICE:
            return _service(args, rest)
        if rest:
            raise CommandError(f"one PROJECT at a time, not {' '.join(args.words)}", advice="mesh new PROJECT")
        return _project(args, Path(first))
    except ScaffoldError as error:
        raise CommandError(str(error), advice=error.advice) from None
    except OSError as error:
        raise CommandError(f"{error.filename or first}: cannot be written: {error.strerror}") from None


def _project(args: argparse.Namespace, folder: Path) -> int:
    given = {} if args.service is None else {"service": args.service}
    written = new_project(folder, owner=args.owner, **given)
    _show(args, {"project": str(folder.absolute()), "written": written, "changed": []})
    if not args.json:
        print_line(f"next: cd {folder}, pip install -r requirements-dev.txt, make check, mesh dev")
    return OK


def _service(args: argparse.Namespace, rest: list[str]) -> int:
    if len(rest) != 1:
        raise CommandError("say one NAME: mesh new service NAME")
    if args.service is not None:
        raise CommandError("--service names a new project's first service; here the name stands alone")
    project = find_project(Path.cwd())
    added = new_service(project, rest[0], owner=args.owner)
    _show(args, {"project": str(project), "service": rest[0], "written": added.written, "changed": added.changed})
    return OK


def _show(args: argparse.Namespace, done: dict[str, Any]) -> None:
    if args.json:
        print_json(done)
        return
    print_line(f"{done['project']}:")
    for path in done["written"]:
        print_line(f"  {path}")
    for path in done["changed"]:
        print_line(f"  {path} (added to)")
