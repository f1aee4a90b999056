"""The one command, `mesh`: its subcommands, and what every one of them does when it fails.

One rule: a failure is one line on stderr that says what to do (an object under --json, see `failure`), and an exit
code; a stack only with --debug.

A subcommand is a module with `register(subparsers)`, which sets `run` (a function from the parsed arguments to the
exit code, plain or async). Other distributions add theirs through the entry-point group `thriftmesh.commands`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata

from mesh import logs as logging_setup
from mesh.cli import call, completion, consul, describe, dev, doctor, down, exits, idl, listing, logs, new, ps, up
from mesh.cli.failure import Parser, UsageError, refuse, report, wants_json
from mesh.version import VERSION

PLUGINS = "thriftmesh.commands"
BUILT_IN = (new, up, dev, ps, logs, down, call, describe, listing, idl, consul, doctor, completion)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code. argparse's own exits (usage, --help) come as SystemExit."""
    json = wants_json(argv)
    try:
        args = _parse(argv)
    except UsageError as error:
        sys.exit(refuse(error, json=json))
    if args.debug:
        logging_setup.setup("text", "debug", sys.stderr)
    try:
        result = args.run(args)
        code = asyncio.run(result) if inspect.iscoroutine(result) else int(result)
        sys.stdout.flush()  # a reader that went away must show here and not when the interpreter ends
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exits.BROKEN_PIPE
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        code = report(error, json=json)
    return code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """argparse gives an optional positional its value only before the options; `mesh call` takes its body after too."""
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    if len(rest) == 1 and (rest[0] == "-" or not rest[0].startswith("-")) and getattr(args, "body", "") is None:
        args.body = rest[0]
    elif not rest and args.command is None:  # a first look, mostly
        parser.print_help(sys.stderr)
        sys.exit(exits.USAGE)
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def make_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand, plug-ins included."""
    parser: argparse.ArgumentParser = Parser(
        prog="mesh", description="An RPC service mesh: contracts, calls, discovery, a dev cluster."
    )
    parser.add_argument("--version", action="version", version=f"mesh {VERSION} (Python {platform.python_version()})")
    parser.add_argument("--debug", action="store_true", help="show the stack of a failure")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in BUILT_IN:
        module.register(commands)
    for entry in metadata.entry_points(group=PLUGINS):
        _plug_in(entry, commands)
    return parser


def _plug_in(entry: metadata.EntryPoint, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """A plug-in that cannot be loaded costs its own command and no other."""
    try:
        entry.load()(commands)
    except Exception as error:
        print(f"mesh: the command {entry.name!r} ({entry.value}) cannot be loaded: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
