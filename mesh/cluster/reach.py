"""Finds the cluster that runs here and talks to it over its control socket. Blocking: for commands.

One rule: a file proves nothing. A cluster runs when somebody answers on its socket.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.cluster import protocol
from mesh.cluster.protocol import ProtocolError, Request
from mesh.cluster.rundir import FOLDER, LOCK, STATE

CONNECT_S = 5.0  # the supervisor's loop is never busy for so long
_NOBODY = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK)


class Unreachable(Exception):
    """No cluster could be asked; the text says which were looked at. `advice` is what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


class Refused(Exception):
    """The cluster said no; `code` is the exit code that it means."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Found:
    """A run directory `.mesh/NAME` and what can be said of it."""

    run: Path
    answers: bool  # a supervisor takes commands
    held: bool  # a supervisor or its keeper still has the lock

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def directory(self) -> Path:
        return self.run.parent.parent

    @property
    def left(self) -> bool:
        """Whether there is what a cluster takes away when it ends in good order."""
        return protocol.socket_path(self.run).exists() or (self.run / STATE).exists()


def look(run: Path) -> Found:
    """Whether the cluster in `run` runs."""
    there = answers(run)
    return Found(run, there, there or held(run))


def answers(run: Path) -> bool:
    """Whether a supervisor takes commands; the lock is left alone."""
    connection = _connect(run)
    if connection is not None:
        connection.close()
    return connection is not None


def held(run: Path) -> bool:
    """Whether the lock of `run` is taken: by a supervisor, or by a keeper that still clears up."""
    try:
        fd = os.open(run / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def here(start: Path, name: str | None = None) -> list[Found]:
    """The run directories (called `name`, if that is given) of the nearest folder that has any: `start` or above."""
    return next(_upwards(start, name), [])


def live(start: Path, name: str | None = None) -> list[Found]:
    """As `here`, but what has ended in good order hides nothing that runs, or was killed, in a folder above."""
    nearest: list[Found] = []
    for found in _upwards(start, name):
        if any(one.answers or one.held or one.left for one in found):
            return found
        nearest = nearest or found
    return nearest


def _upwards(start: Path, name: str | None) -> Iterator[list[Found]]:
    """The run directories of each folder that has any, from `start` upwards."""
    start = start.resolve()
    for folder in (start, *start.parents):
        runs = [lock.parent for lock in sorted((folder / FOLDER).glob(f"*/{LOCK}"))]
        found = [look(run) for run in runs if name is None or run.name == name]
        if found:
            yield found


def running(start: Path, name: str | None = None) -> Found:
    """The one cluster that runs there. Raises Unreachable: none does, several do, or one was killed."""
    found = live(start, name)
    answering = [one for one in found if one.answers]
    if len(answering) == 1:
        return answering[0]
    if answering:
        names = ", ".join(one.name for one in answering)
        raise Unreachable(
            f"several clusters run in {answering[0].directory}: {names}", "choose one with --cluster NAME"
        )
    for one in found:
        if one.held:
            raise Unreachable(
                f"the cluster {one.name!r} in {one.directory} takes no commands: it is just starting or ending",
                "try again in a moment; mesh logs shows what it does",
            )
    what = f"no cluster {name!r}" if name else "no cluster"
    killed = [one.name for one in found if protocol.socket_path(one.run).exists()]
    if killed:
        raise Unreachable(
            f"{what} runs in {found[0].directory}: the supervisor of {', '.join(killed)} was killed",
            "mesh down clears up, mesh up -d starts it again",
        )
    raise Unreachable(f"{what} runs in {start.resolve()} or a folder above it", "mesh up -d starts one")


def ask(
    found: Found,
    request: Request,
    *,
    progress: Callable[[str], None] = lambda line: None,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """The result of a request. `progress` gets its lines. Raises Refused, Unreachable, TimeoutError.

    `timeout_s`: for each line; None: however long it takes, for what reports progress.
    """
    connection = _connect(found.run)
    if connection is None:
        raise Unreachable(
            f"the cluster {found.name!r} in {found.directory} has just ended", "mesh up -d starts it again"
        )
    with connection, connection.makefile("rb") as answers:
        connection.settimeout(timeout_s)
        connection.sendall(request.line())
        while True:
            try:
                line = answers.readline(protocol.MAX_ANSWER)
            except TimeoutError:
                raise TimeoutError(
                    f"the cluster {found.name!r} did not answer within {timeout_s:g} s; is its supervisor stopped?"
                ) from None
            except ConnectionError:
                line = b""
            if not line:
                raise Unreachable(
                    f"the cluster {found.name!r} ended before it answered", "mesh logs supervisor says what happened"
                )
            message = _message(line)
            if "progress" in message:
                progress(str(message["progress"]))
            elif "result" in message:
                result: dict[str, Any] = message["result"]
                return result
            else:
                raise Refused(str(message.get("error", "no reason given")), int(message.get("code", 1)))


def _message(line: bytes) -> dict[str, Any]:
    try:
        return protocol.decode(line)
    except ProtocolError as error:
        raise Refused(f"what answers on the control socket is no cluster: {error}", 1) from None


def _connect(run: Path) -> socket.socket | None:
    """A connection to its supervisor; None when there is nobody. Raises OSError when it may not be asked."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_S)
    try:
        connection.connect(str(protocol.socket_path(run)))
    except OSError as error:
        connection.close()
        if error.errno in _NOBODY:
            return None
        if isinstance(error, PermissionError):
            raise Unreachable(
                f"the cluster {run.name!r} in {run.parent.parent} is another user's", "ask as the user who started it"
            ) from None
        raise
    return connection
