"""Fails a test that leaves something behind: tasks, file descriptors, threads of a handler pool."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SETTLE_TURNS = 50  # loop turns that closing transports and cancelled tasks may take to be gone


class LeakError(AssertionError):
    """Something was left behind; the text lists it."""


def open_files() -> dict[int, str]:
    """This process's file descriptors and what they are; empty where the system does not tell."""
    told: dict[int, str] = {}
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            told[int(entry.name)] = os.readlink(entry)
        except OSError:
            pass  # the one that listed the folder
    return told


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Raises LeakError when the block leaves tasks or file descriptors behind."""
    tasks_before, files_before = asyncio.all_tasks(), open_files()
    yield
    for _ in range(SETTLE_TURNS):
        if not (asyncio.all_tasks() - tasks_before) and len(open_files()) <= len(files_before):
            return
        await asyncio.sleep(0)
    left = [f"task {task.get_name()}: {task.get_coro()!r}" for task in asyncio.all_tasks() - tasks_before]
    left += [f"fd {fd}: {what}" for fd, what in open_files().items() if files_before.get(fd) != what]
    if left:
        raise LeakError("left behind:\n  " + "\n  ".join(left))
