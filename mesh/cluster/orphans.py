"""Processes that an instance left on purpose: daemons, which forked twice so that nobody would be their parent.

One rule: only a supervisor that owns its process adopts (`mesh up`, not a library in somebody's program). Linux gives
a process that asked for it (PR_SET_CHILD_SUBREAPER, prctl(2)) the orphans among its descendants as children. The keeper
is told of them, and they are reaped when they end; alone it would miss one that has left its session and emptied its
environment, too.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection
from pathlib import Path

from mesh.cluster.guard import Guard

PR_SET_CHILD_SUBREAPER = 36
AVAILABLE = sys.platform == "linux"


class Orphans:
    """Adopts from now on, for as long as this process lives. `look` is to be called about once a second."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._seen: set[int] = set()
        if AVAILABLE:
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def look(self, own: Collection[int]) -> None:
        """`own` are the pids of children that were started here; every other child was adopted.

        One is reaped only when it was no own child at the last look either: a child of ours that ends while it is
        being started is not yet known as such, and its exit code belongs to whoever started it.
        """
        adopted = {pid for pid in _children() if pid not in own} if AVAILABLE else set()
        for pid in adopted & self._seen:
            if _reaped(pid):
                self._guard.forget(pid)
        for pid in adopted - self._seen:
            self._guard.watch(pid)
        self._seen = adopted


def _children() -> set[int]:
    """This process's children; the kernel lists them by the thread that each belongs to (proc_pid_children(5))."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(int(pid) for pid in (task / "children").read_text().split())
        except OSError:
            continue  # the thread has ended
    return found


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
