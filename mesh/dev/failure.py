"""Why a new process did not start, out of what it printed: file, line, reason.

One rule: it looks for the place in the project that a person would go to. Frames of the libraries, and of mesh itself,
are where it was noticed; the last frame in the project's own files is where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

MAX_LINES = 20  # of output shown with a failure: a stack's end with its message
_FRAME = re.compile(r'^[\s|+]*File "(?P<file>[^"]+)", line (?P<line>\d+)')
# The end of a traceback: a name at the very beginning (lines of source are indented), `| ` before it in a group.
_ERROR = re.compile(r"^(?:\s*\| )?(?P<error>[A-Za-z_][\w.]*(?:: .*)?)$")
_PLACE = re.compile(r"^(?:\w+: )?(?P<file>/?[^\s:]+\.(?:thrift|py)):(?P<line>\d+): (?P<reason>.*)$")


@dataclass(frozen=True, slots=True)
class Failure:
    """`file` and `line` are empty and 0 where the output names no place. `lines` is the end of the output."""

    file: str
    line: int
    reason: str
    lines: tuple[str, ...] = ()


def read(output: Iterable[str], ours: Callable[[Path], bool], otherwise: str) -> Failure:
    """The failure that ended a process with this `output`. `ours` says whether a file is the project's; `otherwise` is
    the reason where nothing in the output tells one."""
    lines = [line.rstrip() for line in output]
    shown = tuple(line for line in lines if line)[-MAX_LINES:]
    error = _last_error(lines)
    if error is None:
        return Failure("", 0, f"{otherwise}: {shown[-1]}" if shown else otherwise, shown)
    at, reason = error
    named = _PLACE.match(reason.partition(": ")[2]) if ": " in reason else None
    if named is not None and ours(Path(named["file"])):  # a contract's own complaint names its place
        return Failure(named["file"], int(named["line"]), named["reason"], shown)
    file, line = _place(lines[:at], ours)
    return Failure(file, line, reason, shown)


def _last_error(lines: list[str]) -> tuple[int, str] | None:
    """The last line that ends a traceback, and where it stands."""
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    if not frames:
        return None
    for number in range(frames[-1] + 1, len(lines)):
        found = _ERROR.match(lines[number])
        if found is not None:
            return number, found["error"]
    return None


def _place(lines: list[str], ours: Callable[[Path], bool]) -> tuple[str, int]:
    """The innermost frame in the project; of all, if none is."""
    start = max((number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line), default=0)
    frames = [found for line in lines[start:] if (found := _FRAME.match(line))]
    own = [frame for frame in frames if ours(Path(frame["file"]))]
    if not own and not frames:
        return "", 0
    last = (own or frames)[-1]
    return last["file"], int(last["line"])
