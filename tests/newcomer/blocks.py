"""The fenced blocks of a text as the steps that a reader takes.

    ```sh                            commands for the terminal, one after the other; each has to end with 0
    ```sh exit=10                    the last of them has to end with 10
    ```sh second                     in a second terminal, where the last command stays in front
    ```sh second                     with `^C` as its only line: Ctrl-C there, and a good end
    ```text                          what the commands above show; `...` stands for anything, also for whole lines
    ```text second                   what comes to be seen in the second terminal
    ```python title="a/b.py"         a file to be written (any language)
    ```diff title="a/b.py"           lines of a file to be changed
    ```toml shows="cluster.toml"     lines that stand in a file

One rule: every block is one of these, or the text is wrong.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^```(.*)$")
INTERRUPT = "^C"


class TextError(Exception):
    """The text does not hold; `line` says where."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Command:
    line: int
    text: str
    exit: int = 0


@dataclass(frozen=True)
class Run:
    """Commands and, where the text shows it, what all of them print together."""

    line: int
    commands: list[Command]
    second: bool = False
    shown: str | None = None
    shown_line: int = 0


@dataclass(frozen=True)
class Watch:
    """What the second terminal comes to show, after what was seen in it before."""

    line: int
    shown: str


@dataclass(frozen=True)
class Interrupt:
    line: int


@dataclass(frozen=True)
class Write:
    line: int
    path: str
    text: str


@dataclass(frozen=True)
class Change:
    line: int
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Shows:
    line: int
    path: str
    text: str


Step = Run | Watch | Interrupt | Write | Change | Shows


def steps(text: str) -> list[Step]:
    """The steps in the order of the text. Raises TextError."""
    found: list[Step] = []
    for line, info, body in _fenced(text):
        language, *words = shlex.split(info) or [""]
        if [language, *words] == ["text", "second"]:
            found.append(Watch(line + 1, body))
        elif [language, *words] == ["text"]:
            if not found or not isinstance(found[-1], Run) or found[-1].shown is not None:
                raise TextError(line, "output without commands right before it")
            last = found[-1]
            found[-1] = Run(last.line, last.commands, last.second, body, line + 1)
        else:
            found.append(_step(line, language, words, body))
    return found


def _fenced(text: str) -> Iterator[tuple[int, str, str]]:
    """Line of the fence, its words, and the lines between."""
    begun, info, body = 0, "", list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and begun:
            yield begun, info, "".join(f"{each}\n" for each in body)
            begun = 0
        elif fence:
            begun, info, body = number, fence[1], []
        elif begun:
            body.append(line)
    if begun:
        raise TextError(begun, "this block has no end")


def _step(line: int, language: str, words: list[str], body: str) -> Step:
    options = dict(word.partition("=")[::2] for word in words)
    known = {"sh": {"exit", "second"}, "diff": {"title"}}.get(language, {"title", "shows"})
    if set(options) - known or (language != "sh" and len(options) != 1):
        raise TextError(line, f"nobody would run or check this block: {' '.join([language, *words])!r}")
    if language == "sh":
        if body.strip() == INTERRUPT:
            return Interrupt(line)
        commands = _commands(line + 1, body)
        if not commands:
            raise TextError(line, "no command in this block")
        commands[-1] = Command(commands[-1].line, commands[-1].text, int(options.get("exit", "0")))
        return Run(line, commands, "second" in options)
    if language == "diff":
        lines = body.splitlines()
        old, new = (_joined(each for each in lines if each[:1] in ("", " ", sign)) for sign in "-+")
        if old == new or any(each[:1] not in ("", " ", "-", "+") for each in lines):
            raise TextError(line, "no diff: its lines begin with a blank, - or +, and at least one with - or +")
        return Change(line, options["title"], old, new)
    if "title" in options:
        return Write(line, options["title"], body)
    return Shows(line, options["shows"], body)


def _commands(line: int, body: str) -> list[Command]:
    """A line is a command; one that ends in a backslash goes on."""
    found: list[Command] = []
    begun, text = 0, ""
    for number, each in enumerate(body.splitlines(), line):
        if not text and (not each.strip() or each.startswith("#")):
            continue
        begun = begun if text else number
        text += each + "\n"
        if not each.endswith("\\"):
            found.append(Command(begun, text.strip()))
            text = ""
    return found


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line[1:]}\n" for line in lines)


def pattern(shown: str) -> re.Pattern[str]:
    """What fits the text of an output block: itself, where `...` is anything and as a line of its own any lines."""
    parts = []
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ \t]*\n")
    return re.compile("".join(parts))
