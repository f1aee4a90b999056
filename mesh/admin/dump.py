"""Where every task and every thread of this process stands, as text.

One rule: bounded. It is asked for when something is wrong, and then there may be a hundred thousand tasks.
"""

from __future__ import annotations

import asyncio
import itertools
import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

MAX_EXAMINED = 10_000  # tasks looked at: some 100 ms, during which the loop serves nobody
MAX_TASKS = 200  # what a person reads; the count says how many there are
MAX_FRAMES = 30
MAX_THREADS = 100


def dump_stacks() -> str:
    """The running loop's tasks, most frequent stack first, and all threads. Call it on the loop."""
    return "\n".join([*_tasks(), *_threads()]) + "\n"


def _tasks() -> Iterator[str]:
    tasks = asyncio.all_tasks()
    examined = list(itertools.islice(tasks, MAX_EXAMINED))
    groups: dict[tuple[str, ...], list[str]] = {}
    for task in examined:
        groups.setdefault(tuple(_task_frames(task)), []).append(task.get_name())
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    only = f", of which {len(examined)} were looked at" if len(examined) < len(tasks) else ""
    yield f"{len(tasks)} tasks{only}, {len(groups)} different stacks"
    for frames, names in ordered[:MAX_TASKS]:
        shown = ", ".join(sorted(names)[:5])
        yield f"\n{len(names)} x {shown}{', ...' if len(names) > 5 else ''}"
        yield from frames
    if len(ordered) > MAX_TASKS:
        yield f"\n({len(ordered) - MAX_TASKS} more stacks left out)"


def _task_frames(task: asyncio.Task[Any]) -> Iterator[str]:
    """The chain of awaits from the task's own coroutine inwards; `Task.get_stack` gives only the outermost."""
    awaited: Any = task.get_coro()
    for _ in range(MAX_FRAMES):
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is None:
            if awaited is not None and type(awaited).__name__ != "FutureIter":  # a future does not say whose it is
                yield f"    waits for {type(awaited).__name__}"
            return
        yield _line(frame)
        if frame.f_back is not None:
            return  # it runs right now, and this function is part of its stack
        awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    yield f"    (deeper than {MAX_FRAMES})"


def _first(owner: Any, *names: str) -> Any:
    for name in names:
        if hasattr(owner, name):
            return getattr(owner, name)
    return None


def _line(frame: FrameType) -> str:
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line, frame.f_globals).strip()
    return f"    {file}:{line} {frame.f_code.co_qualname}" + (f"  {source}" if source else "")


def _threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    yield f"\n{len(frames)} threads"
    for ident, frame in list(frames.items())[:MAX_THREADS]:
        yield f"\nthread {names.get(ident, '?')} ({ident})"
        stack = traceback.extract_stack(frame)[-MAX_FRAMES:]
        for entry in stack:
            yield f"    {entry.filename}:{entry.lineno} {entry.name}" + (f"  {entry.line}" if entry.line else "")
