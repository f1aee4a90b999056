"""What an instance prints: into a log file of bounded size, the last lines kept for the moment it crashes.

Every line in a file tells when it was printed, so that `mesh logs` can merge them: a node's JSON line by its own `ts`,
any other by the time, of the same form, that is put in front of it here.

One rule: the reader keeps reading. A full disk costs log lines and never blocks a service on its standard output.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024  # per file, one older file kept: an evening's readable log, 20 MB an instance at most
TAIL_LINES = 12  # what fits above a prompt; a Python traceback's end with its message is within
MAX_LINE = 500  # characters of a line shown in the tail; a JSON log line with a stack can be far longer
MAX_LINE_BYTES = 4 * MAX_LINE  # UTF-8 takes four bytes a character at the most
CHUNK = 65536
TIMED = b'{"ts": "'  # how a node's own line begins (mesh.logs)


class LogFile:
    """`path`, which turns over to `path.1` when it is full. All who write to one path share one of these."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._size = 0
        self._torn = False  # the disk took only a part: the next line must not be glued to it

    def write(self, data: bytes) -> None:
        """Whole lines. Never raises: what a full disk does not take is lost, and tried again with the next piece."""
        try:
            self._append(b"\n" + data if self._torn else data)
        except OSError:
            self.close()

    def close(self) -> None:
        """The next write opens it again."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # a full disk may say so once more

    def _append(self, data: bytes) -> None:
        if self._file is not None and self._size + len(data) > self._max_bytes:
            self.close()
            os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
            self._size = self._file.tell()
        taken = self._file.write(data)
        self._size += taken
        self._torn = taken < len(data) and data[:taken][-1:] != b"\n"


class Output:
    """What one process prints. `clock` gives seconds since the epoch."""

    def __init__(self, log: LogFile, *, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._clock = clock
        self._unfinished = b""  # a line whose end has not come yet
        self._partial = b""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)

    def write(self, data: bytes) -> None:
        self._keep_tail(data)
        *lines, rest = (self._unfinished + data).split(b"\n")
        if len(rest) >= CHUNK:  # no line; it must not be collected without end
            lines.append(rest)
            rest = b""
        self._unfinished = rest
        self._write_lines(lines)

    def _write_lines(self, lines: list[bytes]) -> None:
        if lines:
            now = stamp(self._clock())
            self._log.write(b"".join((line if line.startswith(TIMED) else now + line) + b"\n" for line in lines))

    def tail(self) -> list[str]:
        """The last lines, oldest first."""
        last = [_shown(self._partial)] if self._partial else []
        return [*self._lines, *last][-TAIL_LINES:]

    def clear_tail(self) -> None:
        """A new process begins: what the last one said is not its own."""
        self._lines.clear()
        self._partial = b""

    def end(self) -> None:
        """The process has printed its last: what came without a line's end is a line, too."""
        if self._unfinished:
            self._write_lines([self._unfinished])
            self._unfinished = b""

    def close(self) -> None:
        self.end()
        self._log.close()

    def _keep_tail(self, data: bytes) -> None:
        *lines, partial = (self._partial + data).split(b"\n")
        self._lines.extend(_shown(line) for line in lines[-TAIL_LINES:])
        self._partial = partial[:MAX_LINE_BYTES]


def stamp(seconds: float) -> bytes:
    """What is put in front of a line: `2026-11-22T22:37:27.123Z `, UTC, as a node's own `ts`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z "


def _shown(line: bytes) -> str:
    text = line[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip()
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + "..."


class Pipe:
    """The reading end of a child's output on the running loop. `write_fd` goes to the child and is then closed here."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_fd, self._readable)

    def handed_over(self) -> None:
        os.close(self.write_fd)

    def _readable(self) -> bool:
        """One piece a turn of the loop: a child that prints without end must not keep the loop from the others."""
        try:
            data = os.read(self._read_fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._output.write(data)
            return True
        self._drop()
        return False

    def _drop(self) -> None:
        if self._read_fd >= 0:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1

    def close(self) -> None:
        """Takes what is still in the pipe (bounded) and closes it, also when a descendant holds the other end."""
        for _ in range(64):  # 64 x 64 KiB: more than a pipe holds
            if self._read_fd < 0 or not self._readable():
                break
        self._drop()
        self._output.end()
