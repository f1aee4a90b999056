"""The run directory `.mesh/NAME/`: lock, state file, logs and data of one dev cluster.

One rule: whoever holds the lock owns the directory. The lock is the kernel's (flock on an open file), shared with the
keeper, so that it is free exactly when the last of a run's processes has been dealt with; no stale pid file is ever
believed.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

FOLDER = ".mesh"
LOCK = "lock"
STATE = "state.json"
# What a keeper may need after its supervisor was killed (keeper.GIVE_UP_S), and a little.
TAKEOVER_S = 6.0
# Who looks whether the lock is taken (`reach.held`) has it for a moment; its file may be empty then, or tell of a pid
# that has another owner by now.
LOOK_S = 0.3


class ClusterError(Exception):
    """The cluster cannot start or did not get ready; the text says what to do."""


class RunDirectory:
    """`async with RunDirectory(directory, name) as run:`. Raises ClusterError when another cluster holds it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.path = directory.resolve() / FOLDER / name
        self.logs = self.path / "logs"
        self.state_file = self.path / STATE
        self.peers_file = self.path / "peers.toml"
        self.lock_fd = -1

    @property
    def owned(self) -> bool:
        return self.lock_fd >= 0

    def data_of(self, service: str) -> Path:
        """The data folder that a service's instances share; made when first asked for."""
        folder = self.path / "data" / service
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def __aenter__(self) -> RunDirectory:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)  # logs and databases are of this user's services: not for the others on the machine
        self.lock_fd = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            await self._acquire()
        except BaseException:
            self._close()
            raise
        for stale in (self.state_file, self.peers_file):
            stale.unlink(missing_ok=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for gone in (self.state_file, self.peers_file):
            gone.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        os.close(self.lock_fd)  # not LOCK_UN, which would also take it from a keeper still at work
        self.lock_fd = -1

    async def _acquire(self) -> None:
        begun = time.monotonic()
        while not self._try_lock():
            holder, waited_s = _pid_in(self.lock_fd), time.monotonic() - begun
            if waited_s > (LOOK_S if _alive(holder) else TAKEOVER_S):
                raise ClusterError(self._refusal(holder))
            await asyncio.sleep(0.02)  # its supervisor is dead; the keeper is still clearing up
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, f"{os.getpid()}\n".encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _refusal(self, holder: int) -> str:
        return (
            f"the cluster {self.name!r} already runs in {self.path.parent.parent} (pid {holder}): stop it with Ctrl-C"
            f" or mesh down, or start another beside it with --name {self.name}-2"
        )

    def write_state(self, state: dict[str, Any]) -> None:
        """Replaces state.json; a reader sees the old one or the new one, never a part."""
        write_atomic(self.state_file, json.dumps(state, indent=2) + "\n")


def write_atomic(path: Path, text: str) -> None:
    """Writes beside `path`, then renames over it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)  # a full disk: half a file helps nobody
        raise


def _pid_in(fd: int) -> int:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else 0


def _alive(pid: int) -> bool:
    if pid <= 0:
        return True  # locked and not yet written: somebody is just starting
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
