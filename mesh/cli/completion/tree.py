"""The parser's tree as completion needs it: for each command its options, its arguments, and what each takes.

One rule: what an argument takes is read off the parser (choices, type, metavar), so that a new command is completed
without a word about it here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What can stand somewhere. FILE and FOLDER are the shell's own; the rest, but for WORDS, is asked of `values`.
NOTHING, FILE, FOLDER, WORDS = "nothing", "file", "folder", "words"
SERVICE, METHOD, INSTANCE, COUNT, CLUSTER, INTERFACE = "service", "method", "instance", "count", "cluster", "interface"
ASKED = (SERVICE, METHOD, INSTANCE, COUNT, CLUSTER, INTERFACE)

_BY_METAVAR = {
    "SERVICE": SERVICE, "METHOD": METHOD, "SERVICE=N": COUNT, "ADDR|IFACE": INTERFACE, "NAME|FILE": FILE,
    "FILE": FILE, "FILES": FILE, "PATH": FILE, "OLD": FILE, "NEW": FILE, "DIR": FOLDER,
}  # fmt: skip
_BY_DEST = {"cluster": CLUSTER, "only": SERVICE, "names": INSTANCE}


@dataclass(frozen=True, slots=True)
class Value:
    """What an option or an argument takes; `words` for WORDS, `many` when it takes several."""

    kind: str
    words: tuple[str, ...] = ()
    many: bool = False

    @property
    def code(self) -> str:
        """As the scripts have it: `service`, `file+`, `words=json,text`."""
        words = f"={','.join(self.words)}" if self.words else ""
        return f"{self.kind}{words}{'+' if self.many else ''}"


@dataclass(frozen=True, slots=True)
class Option:
    names: tuple[str, ...]
    help: str
    value: Value | None  # None: a flag


@dataclass(frozen=True, slots=True)
class Command:
    """`path` is "" for `mesh` itself, "idl check" for that. `commands` are those below it, by name, with their help."""

    path: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    commands: dict[str, str]


def commands_of(parser: argparse.ArgumentParser, path: str = "") -> list[Command]:
    """The command and all below it."""
    options: list[Option] = []
    arguments: list[Value] = []
    below: dict[str, str] = {}
    deeper: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                below[name] = _plain(helps.get(name, ""))
                deeper += commands_of(child, f"{path} {name}".strip())
        elif action.option_strings:
            value = None if action.nargs == 0 else _value(action)
            options.append(Option(tuple(action.option_strings), _plain(action.help or ""), value))
        else:
            arguments.append(_value(action))
    return [Command(path, tuple(options), tuple(arguments), below), *deeper]


def _value(action: argparse.Action) -> Value:
    many = action.nargs in ("+", "*")
    if action.choices is not None:
        return Value(WORDS, tuple(str(choice) for choice in action.choices), many)
    kind = _BY_METAVAR.get(str(action.metavar)) or _BY_DEST.get(action.dest)
    return Value(kind or (FILE if action.type is Path else NOTHING), (), many)


def _plain(text: str) -> str:
    """A help text as one line without argparse's own places."""
    return " ".join(text.replace("%%", "%").split())


def valued(command: Command) -> Iterator[tuple[str, Value]]:
    """Each name of an option that takes something, and what it takes."""
    for option in command.options:
        if option.value is not None:
            yield from ((name, option.value) for name in option.names)
