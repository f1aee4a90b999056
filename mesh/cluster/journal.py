"""The logs of a cluster's instances as one: merged by time, read from the end, followed.

Every line in a log file begins with its time (see `output`); one that does not, torn by a full disk or written by an
older mesh, has that of the line before it. A file that is full becomes `ID.log.1` and is read on there to its end.

One rule: it only reads, and needs no running cluster: the logs of one that was killed are when they are wanted most.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mesh.cluster.output import CHUNK, TIMED

SUFFIX = ".log"
HIDDEN = ("keeper",)  # says nothing but of processes that it could not kill
_STAMP = len("2026-11-22T22:37:27.123Z")
MAX_PIECE = 4 * 1024 * 1024  # of one file in one look; a process that prints more a second is cut nowhere, only later


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line of an instance. `at` in seconds since the epoch; `text` without the time that was put in front of it."""

    at: float
    instance: str
    text: str


class Reader:
    """One instance's log, from a point on: across its turning over and its deletion."""

    def __init__(self, path: Path) -> None:
        self.instance = path.name.removesuffix(SUFFIX)
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._at = 0.0

    def last(self, count: int) -> list[Line]:
        """The last `count` lines of both files; `new` goes on after them."""
        older = self._path.with_name(self._path.name + ".1")
        self._open()
        raw = deque(_tail(self._file, count), maxlen=count) if self._file is not None else deque[bytes]()
        if len(raw) < count:
            try:
                with older.open("rb") as file:
                    raw.extendleft(reversed(_tail(file, count - len(raw))))
            except OSError:
                pass  # there is none, or it has just been replaced
        return [self._line(line) for line in raw]

    def since(self, at: float) -> Iterator[Line]:
        """The lines of both files from the time `at` on; `new` goes on after them."""
        older = self._path.with_name(self._path.name + ".1")
        try:
            with older.open("rb") as file:
                yield from (line for raw in file if (line := self._line(raw)).at >= at)
        except OSError:
            pass
        self._open()
        yield from (line for line in self.new() if line.at >= at)

    def new(self) -> Iterator[Line]:
        """What was added since; bounded, so that nobody starves the others."""
        if self._file is None:
            self._open()
        yield from self._added()
        if self._turned_over():
            yield from self._added()  # what came between the look and the turn
            self.close()
            self._open()
            yield from self._added()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._rest = b""  # a torn line has no other half in the next file

    def _open(self) -> None:
        try:
            self._file = self._path.open("rb")
        except OSError:
            self._file = None  # not there yet, or gone

    def _turned_over(self) -> bool:
        if self._file is None:
            return False
        try:
            there = os.stat(self._path)
        except OSError:
            return True
        return there.st_ino != os.fstat(self._file.fileno()).st_ino or there.st_size < self._file.tell()

    def _added(self) -> Iterator[Line]:
        if self._file is None:
            return
        taken = 0
        while taken < MAX_PIECE and (data := self._file.read(CHUNK)):
            taken += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from map(self._line, lines)

    def _line(self, raw: bytes) -> Line:
        raw = raw.rstrip(b"\r\n")
        at = time_of(raw)
        if at is not None:
            self._at = at
        return Line(self._at, self.instance, text_of(raw))


def time_of(raw: bytes) -> float | None:
    """When a line of a log file was printed, in seconds since the epoch; None when it does not say."""
    begin = len(TIMED) if raw.startswith(TIMED) else 0
    stamp = raw[begin : begin + _STAMP]
    if len(stamp) < _STAMP or not stamp.endswith(b"Z"):
        return None
    try:
        return datetime.fromisoformat(stamp.decode("ascii")).timestamp()
    except ValueError:
        return None


def text_of(raw: bytes) -> str:
    """A line of a log file as the instance printed it."""
    stamped = time_of(raw) is not None and not raw.startswith(TIMED)
    return raw[_STAMP + 1 if stamped else 0 :].decode("utf-8", "replace")


def files(logs: Path) -> list[Path]:
    """The log files in a cluster's folder `logs`, by name."""
    return sorted(path for path in logs.glob(f"*{SUFFIX}") if path.name.removesuffix(SUFFIX) not in HIDDEN)


def merged(parts: Iterable[Iterable[Line]]) -> Iterator[Line]:
    """The lines of several instances by time; each part in its own order, whatever its clock did."""
    return heapq.merge(*(_rising(part) for part in parts), key=lambda line: line.at)


def _rising(lines: Iterable[Line]) -> Iterator[Line]:
    """Two processes write an instance's file while one takes over, each line with its own time."""
    latest = 0.0
    for line in lines:
        latest = max(latest, line.at)
        yield line if line.at == latest else Line(latest, line.instance, line.text)


def _tail(file: BinaryIO, count: int) -> list[bytes]:
    """The last `count` whole lines of `file`, which then stands behind them."""
    end = position = file.seek(0, os.SEEK_END)
    data = b""
    while position > 0 and data.count(b"\n") <= count:
        step = min(CHUNK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    whole, newline, rest = data.rpartition(b"\n")
    file.seek(end - len(rest))
    lines = whole.split(b"\n") if newline else []
    return lines[-count:] if position == 0 else lines[1:][-count:]
