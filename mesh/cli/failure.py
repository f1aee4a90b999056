"""How a command says that it failed: to people in lines, and under --json as one object.

One rule: the failure is the last thing on stderr, and stdout has nothing but the answer. The object is one line:

    {"error": {"name": "usage", "exit": 2, "text": "...", "advice": "..."}}

`name` and `exit` are a row of the table in docs/cli.md; `advice` is null where the text says it all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.cli.output import print_line
from mesh.cli.where import unanswered
from mesh.config import ConfigError
from mesh.discovery import RegistryError
from mesh.errors import MeshError
from mesh.logs import JSON_ESCAPES

JSON = "--json"
_NAMES = {code: name for code, name, _ in exits.table()}


class UsageError(Exception):
    """argparse's complaint, and the usage of the command that it is about."""

    def __init__(self, complaint: str, prog: str, usage: str) -> None:
        super().__init__(complaint)
        self.prog = prog
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse prints and exits; sub-parsers are of this class, too.

    An option is written out: what an abbreviation means changes with every new option, and `wants_json` reads none.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog, self.format_usage())


@dataclass(frozen=True, slots=True)
class Failure:
    text: str
    code: int
    advice: str = ""


def wants_json(argv: Sequence[str] | None) -> bool:
    """Also of a command line that could not be read."""
    given = list(sys.argv[1:] if argv is None else argv)
    return JSON in (given[: given.index("--")] if "--" in given else given)


def refuse(error: UsageError, *, json: bool) -> int:
    """Says what is wrong with a command line; gives the exit code."""
    if json:
        _print_object(Failure(str(error), exits.USAGE, f"{error.prog} --help"))
    else:
        print(error.usage, end="", file=sys.stderr)
        print_line(f"{error.prog}: error: {error}", error=True)
    return exits.USAGE


def report(error: Exception, *, json: bool) -> int:
    """Says what failed and what to do; gives the exit code."""
    failure = _of(error)
    if json:
        _print_object(failure)
        return failure.code
    lines = failure.text.splitlines() or [""]  # a contract may have several faults, a line each
    print_line(f"mesh: {lines[0]}", error=True)
    for line in lines[1:]:
        print_line(f"  {line}", error=True)
    if failure.advice:
        print_line(f"  -> {failure.advice}", error=True)
    return failure.code


def _of(error: Exception) -> Failure:
    if isinstance(error, RegistryError):
        error = unanswered(error)
    if isinstance(error, MeshError):
        return Failure(str(error), error.kind.exit, error.advice)
    if isinstance(error, CommandError):
        return Failure(str(error), error.code, error.advice)
    if isinstance(error, ConfigError):
        return Failure(str(error), exits.USAGE)
    text = f"internal error: {type(error).__name__}: {error}"
    return Failure(text, exits.INTERNAL, "this is a bug in mesh; mesh --debug COMMAND shows where")


def _print_object(failure: Failure) -> None:
    shown = {
        "name": _NAMES.get(failure.code, str(failure.code)),
        "exit": failure.code,
        "text": failure.text,
        "advice": failure.advice or None,
    }
    print(json.dumps({"error": shown}).translate(JSON_ESCAPES), file=sys.stderr)
