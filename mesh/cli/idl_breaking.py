"""`mesh idl breaking OLD NEW`: what a change of contracts breaks, for whom, and how badly.

One rule: 0 when nothing at the level or worse is left that nobody decided to live with, 1 when something is, 2 when
the two cannot be compared.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.cli.idl_ignores import DEFAULT_FILE, load_ignores
from mesh.cli.idl_versions import pairs, versions
from mesh.cli.output import print_json, print_line
from mesh.contract.compare import Change, Level, Pairing, compare_all
from mesh.contract.problem import ContractError

_DESCRIPTION = f"""\
OLD and NEW are two files, two folders (all .thrift files below, paired by name), or paths of a git revision as REV:PATH
(origin/main:idl, HEAD~1:idl/pricing.thrift), one of each kind if need be.

Levels, worst first: wire (peers misread or refuse each other), source (code that uses the generated classes breaks),
promise (types agree, a promise to callers got worse). Exit code 1 when a change of --level or worse is found that
{DEFAULT_FILE} does not ignore; 2 when the two cannot be compared."""

_COLORS = {Level.WIRE: "1;31", Level.SOURCE: "33", Level.PROMISE: "35", Level.INFO: "2"}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "breaking",
        help="what a change of contracts breaks, for whom, and how badly",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD", help="a .thrift file, a folder, or REV:PATH")
    parser.add_argument("new", metavar="NEW", help="the same of the new version")
    parser.add_argument(
        "--level",
        choices=[level.value for level in Level if level is not Level.INFO],
        default=Level.PROMISE.value,
        help="what fails: this level and those that are worse (default: promise, so all of them)",
    )
    parser.add_argument(
        "--first",
        choices=[pairing.value for pairing in Pairing],
        default=Pairing.EITHER.value,
        help="who gets the new contract first (default: either, so any order, and rollbacks)",
    )
    parser.add_argument("--ignore", type=Path, metavar="FILE", help=f"entries with reasons (default: {DEFAULT_FILE})")
    parser.add_argument("--all", action="store_true", help="show what breaks nothing and what is ignored, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all changes")
    parser.add_argument(
        "-I", dest="include_dirs", action="append", default=[], metavar="DIR", help="a folder to look for includes in"
    )
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Verdict:
    change: Change
    ignored: str | None  # the reason
    fails: bool


def run(args: argparse.Namespace) -> int:
    """Raises CommandError."""
    ignores = load_ignores(args.ignore, datetime.date.today())
    limit = Level(args.level).rank
    try:
        with versions(args.old, args.new, args.include_dirs) as (old, new):
            compared = pairs(old, new)
    except ContractError as error:
        raise CommandError(str(error), advice="mesh idl check FILE shows everything that is wrong") from None
    verdicts = []
    for change in compare_all(compared, pairing=Pairing(args.first)):
        ignored = None if change.level is Level.INFO else ignores.reason(change)
        verdicts.append(_Verdict(change, ignored, ignored is None and change.level.rank <= limit))
    failed = any(verdict.fails for verdict in verdicts)
    if args.json:
        print_json(_as_dict(args, verdicts, ignores.idle()))
    else:
        _show(verdicts, show_all=args.all)
        print_line(_summary(verdicts, len(compared)))
        for line in ignores.idle():
            print_line(f"mesh: {line}", error=True)
    return exits.NO if failed else exits.OK


def _show(verdicts: Sequence[_Verdict], *, show_all: bool) -> None:
    """By file and service, the worst first."""
    shown = [item for item in verdicts if show_all or (item.change.level is not Level.INFO and item.ignored is None)]
    shown.sort(key=lambda item: (item.change.contract, item.change.service))  # stable: levels stay in order
    color = _colored()
    for (contract, service), group in itertools.groupby(shown, key=lambda x: (x.change.contract, x.change.service)):
        print_line(f"{contract}.thrift{f', service {service}' if service else ''}")
        for item in group:
            _show_one(item, color)
        print_line("")


def _show_one(item: _Verdict, color: bool) -> None:
    change = item.change
    level = f"{'ignored' if item.ignored else change.level:<8}"
    # print_line escapes what is in the contract; the colour is put around the level alone.
    text = change.message.removeprefix(f"{change.service}: ").removeprefix(f"{change.contract}.thrift: ")
    if color:
        sys.stdout.write(f"  \x1b[{_COLORS[change.level]}m{level}\x1b[0m")
        print_line(f"{text}  [{change.code}]")
    else:
        print_line(f"  {level}{text}  [{change.code}]")
    if item.ignored:
        print_line(f"          because: {item.ignored}")


def _colored() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _summary(verdicts: Iterable[_Verdict], files: int) -> str:
    listed = list(verdicts)
    live = [item.change.level for item in listed if item.ignored is None]
    ignored = sum(item.ignored is not None for item in listed)
    counts = [f"{live.count(level)} {level}" for level in Level]
    more = f", {ignored} ignored" if ignored else ""
    return f"{files} contract{'s' * (files != 1)} compared: {', '.join(counts)}{more}"


def _as_dict(args: argparse.Namespace, verdicts: Sequence[_Verdict], idle: Sequence[str]) -> dict[str, object]:
    return {
        "old": args.old,
        "new": args.new,
        "level": args.level,
        "first": args.first,
        "breaking": any(verdict.fails for verdict in verdicts),
        "changes": [{**asdict(item.change), "ignored": item.ignored, "fails": item.fails} for item in verdicts],
        "idle_ignores": list(idle),
    }
