"""What a forked child does with what it inherited from a process that had nodes: nothing.

One rule: the child never touches the parent's connections. Closing them as objects would take them out of the epoll
set, which parent and child share; so the child's descriptors are overwritten with /dev/null, which keeps their numbers
taken, and the objects are kept and never used.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import stat
import threading
import weakref
from typing import Any, Protocol

# Held while a node's thread starts or makes a client, and by whoever forks. So no fork finds the locks of a half done
# start (imports, thread start, functools.cached_property before Python 3.12) held by a thread that the child lacks.
quiet = threading.RLock()


class Forkable(Protocol):
    """A node, as the fork sees it."""

    def fork_begins(self) -> None:
        """Runs in the parent."""
        ...

    def forked(self) -> None:
        """Runs in the child, before anything else of it."""
        ...

    def close(self) -> None: ...


_nodes: dict[int, weakref.ref[Any]] = {}
_inherited: list[object] = []
_hooked = False


def watch(node: Forkable) -> None:
    """`node` starts afresh in every child, and is closed when this process exits."""
    global _hooked
    with quiet:
        if not _hooked:
            _hooked = True
            os.register_at_fork(before=_before, after_in_parent=quiet.release, after_in_child=_in_child)
            atexit.register(_close_all)
        key = id(node)
        _nodes[key] = weakref.ref(node, lambda _: _nodes.pop(key, None))


def _alive() -> list[Forkable]:
    return [node for node in (reference() for reference in list(_nodes.values())) if node is not None]


def _before() -> None:
    quiet.acquire()
    for node in _alive():
        node.fork_begins()


def _in_child() -> None:
    try:
        for node in _alive():
            node.forked()
    finally:
        quiet.release()  # the thread that forked held it, and is the child's only one


def _close_all() -> None:
    for node in _alive():
        node.close()


class Descriptors:
    """The descriptors of a loop that runs in another thread: those that it watches, and its epoll set.

    Noted before the fork: the set is shared, so the child would see there what the parent opens and closes after it.
    Elsewhere than on Linux there are none to note; a kqueue is not inherited.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._epoll = _poller(loop)
        self._watched: list[tuple[int, int]] = []  # number, inode
        if self._epoll is None:
            return
        try:
            with open(f"/proc/self/fdinfo/{self._epoll}", encoding="ascii") as info:
                found = re.findall(r"^tfd:\s*(\d+).* ino:([0-9a-f]+)", info.read(), re.MULTILINE)
        except OSError:
            self._epoll = None
            return
        self._watched = [(int(number), int(inode, 16)) for number, inode in found]

    def leave(self) -> None:
        """In the child: lets go of them. One that the parent has used for something else since is left alone."""
        if self._epoll is None:
            return
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            for number, inode in self._watched:
                if _is_pipe_or_socket(number, inode):
                    os.dup2(null, number, inheritable=False)
            os.dup2(null, self._epoll, inheritable=False)
        finally:
            os.close(null)


def _is_pipe_or_socket(number: int, inode: int) -> bool:
    """Whether it is still that one. Others (an eventfd) have an inode in common, and nobody at the other end."""
    try:
        found = os.fstat(number)
    except OSError:
        return False
    return found.st_ino == inode and (stat.S_ISSOCK(found.st_mode) or stat.S_ISFIFO(found.st_mode))


def keep(inherited: object) -> None:
    """In the child: `inherited` is never finalised while Python runs."""
    _inherited.append(inherited)


def _poller(loop: Any) -> int | None:
    """The descriptor of the loop's epoll set."""
    if hasattr(loop, "_get_backend_id"):  # uvloop
        return int(loop._get_backend_id())
    fileno = getattr(getattr(loop, "_selector", None), "fileno", None)
    return None if fileno is None else int(fileno())
