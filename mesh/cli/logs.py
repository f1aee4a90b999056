"""`mesh logs [-f] [NAME...]`: what the instances of a cluster printed, merged by time.

    12:03:01.123 pricing-1   info    pricing is ready: serves pricing at 127.0.0.1:20211

One rule: a line is shown and not obeyed: control characters of a service do nothing to the terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from mesh.cli import exits, running
from mesh.cli.exits import CommandError, nearest
from mesh.cluster import journal, reach
from mesh.cluster.journal import Line, Reader
from mesh.cluster.reach import Found
from mesh.logs import escape_controls

POLL_S = 0.2  # a person sees a line at once; 50 files cost nothing at five looks a second
DEFAULT_LINES = 200  # a few screens
MAX_LINES = 1_000_000
# Told apart on dark and on light ground; red is for errors.
PALETTE = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LOUD = {"warning": 33, "error": 31, "critical": 31}
_SHOWN = ("ts", "level", "logger", "service", "msg", "exc")  # the rest follows as key=value


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    logs = subparsers.add_parser(
        "logs",
        help="what the instances printed, merged by time; -f follows",
        description="Reads the log files, so that it also works when the cluster has ended or was killed.",
    )
    logs.add_argument("names", nargs="*", metavar="NAME", help="services, instances, consul, supervisor; default: all")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    logs.add_argument("-n", "--lines", type=_lines, metavar="N|all", help=f"the last N; default: {DEFAULT_LINES}")
    logs.add_argument("--since", type=_since, metavar="WHEN", help="30s, 5m, 2h, 1d (ago), or 2026-11-22T22:37")
    logs.add_argument("--json", action="store_true", help="one object a line: at, instance, line")
    running.add_option(logs)
    logs.set_defaults(run=run_logs)


def run_logs(args: argparse.Namespace) -> int:
    """Prints lines until the end of the files, or with -f until Ctrl-C."""
    folder = _one(args).run / "logs"
    show = _shower(args.json, folder)
    readers = {path: Reader(path) for path in _chosen(folder, args.names)}
    try:
        for line in _first(readers.values(), args.lines, args.since):
            show(line)
        while args.follow:
            sys.stdout.flush()
            time.sleep(POLL_S)
            for path in _chosen(folder, args.names, strict=False):
                readers.setdefault(path, Reader(path))  # an instance that came by a scaling
            for line in journal.merged([list(reader.new()) for reader in readers.values()]):
                show(line)
    finally:
        for reader in readers.values():
            reader.close()
    return exits.OK


def _first(readers: Iterable[Reader], count: int | None, since: float | None) -> Iterable[Line]:
    """What is there already. The end of each file is enough for the last lines of all."""
    if since is not None or count == MAX_LINES:
        lines = journal.merged([reader.since(since or 0.0) for reader in readers])
        return lines if count is None or count == MAX_LINES else list(lines)[-count:]
    count = DEFAULT_LINES if count is None else count
    return list(journal.merged([reader.last(count) for reader in readers]))[-count:] if count else _skip(readers)


def _skip(readers: Iterable[Reader]) -> list[Line]:
    for reader in readers:
        reader.last(1)
    return []


def _one(args: argparse.Namespace) -> Found:
    """The cluster that runs here; where none does, the one that ran here."""
    found = [one for one in reach.here(Path.cwd(), args.cluster) if (one.run / "logs").is_dir()]
    running_ones = [one for one in found if one.held]
    candidates = running_ones or found
    if not candidates:
        raise CommandError(f"no cluster has logs in {Path.cwd()} or a folder above it", code=exits.NO)
    if len(candidates) > 1:
        names = ", ".join(one.name for one in candidates)
        raise CommandError(f"several clusters have logs here: {names}", advice="choose one with --cluster NAME")
    return candidates[0]


def _chosen(folder: Path, names: list[str], *, strict: bool = True) -> list[Path]:
    """The files of `names`, each a service or an instance; all without names. Raises CommandError."""
    there = {path.name.removesuffix(journal.SUFFIX): path for path in journal.files(folder)}
    services = {instance.rpartition("-")[0] for instance in there} - {""}
    for name in names if strict else ():
        if name not in there and name not in services:
            guess = nearest(name, {*there, *services})
            hint = f"did you mean {guess}?" if guess else f"there are {', '.join(sorted({*services, *there}))}"
            raise CommandError(f"no service or instance {name!r} has logs in {folder}", advice=hint)
    wanted = set(names)
    return [path for id, path in there.items() if not wanted or {id, id.rpartition("-")[0]} & wanted]


class _Lines:
    """For people: time, instance, and a node's JSON line as text. The colour of an instance is always the same."""

    def __init__(self, folder: Path) -> None:
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._width = max((len(path.name.removesuffix(journal.SUFFIX)) for path in journal.files(folder)), default=0)

    def __call__(self, line: Line) -> None:
        at = datetime.fromtimestamp(line.at).strftime("%H:%M:%S.%f")[:-3]
        level, *texts = _readable(line.text)
        head = self._painted(f"{at} {line.instance:<{self._width}}", _colour(line.instance))
        for text in texts:
            print(head, self._painted(_printable(text), _LOUD.get(level)))

    def _painted(self, text: str, colour: int | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured and colour is not None else text


class _Objects:
    """For programs."""

    def __call__(self, line: Line) -> None:
        at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(json.dumps({"at": at, "instance": line.instance, "line": line.text}))


def _shower(as_json: bool, folder: Path) -> _Lines | _Objects:
    return _Objects() if as_json else _Lines(folder)


def _colour(instance: str) -> int:
    return PALETTE[zlib.crc32(instance.encode()) % len(PALETTE)]


def _printable(text: str) -> str:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return escape_controls(text).encode(encoding, "backslashreplace").decode(encoding)


def _readable(text: str) -> list[str]:
    """The level ("" where there is none), then the lines to show."""
    if not text.startswith("{"):
        return ["", text]
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return ["", text]
    if not isinstance(record, dict) or not isinstance(record.get("msg"), str):
        return ["", text]
    level = str(record.get("level", ""))
    pairs = "".join(f" {key}={_value(value)}" for key, value in record.items() if key not in _SHOWN)
    stack = [f"    | {line}" for line in str(record.get("exc", "")).splitlines()]
    return [level, f"{level:<7} {record['msg']}{pairs}", *stack]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _lines(text: str) -> int:
    if text == "all":
        return MAX_LINES
    if not text.isascii() or not text.isdigit() or int(text) >= MAX_LINES:
        raise argparse.ArgumentTypeError(f"expected a number below {MAX_LINES}, or all; got {text!r}")
    return int(text)


def _since(text: str) -> float:
    """Seconds since the epoch."""
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text).timestamp()  # without a zone: this machine's
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected 30s, 5m, 2h, 1d or 2026-11-22T22:37; got {text!r}") from None
