"""One child process: its own session, its output in a log, its end reported once.

One rule: a process is over when everything it started is over; what it leaves behind is killed before anybody is told
that it ended, so that the next one finds its ports and files free.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals

from mesh.cluster import launch
from mesh.cluster.guard import Guard
from mesh.cluster.output import Output, Pipe

_HAS_PDEATHSIG = sys.platform == "linux"


class Process:
    """A running child. Made by `start`."""

    def __init__(self, child: asyncio.subprocess.Process, pipe: Pipe, guard: Guard, mark: str) -> None:
        self._child = child
        self._pipe = pipe
        self._guard = guard
        self._mark = mark
        self.pid = child.pid
        self.left_behind = 0
        self._end = asyncio.ensure_future(self._wait())
        self._stopping: asyncio.Task[int] | None = None

    @classmethod
    async def start(
        cls,
        instance: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: Output,
        guard: Guard,
        fds: Sequence[int] = (),
    ) -> Process:
        """Raises OSError when it cannot be started (no such folder, no more processes)."""
        pipe = Pipe(output)
        try:
            child = await asyncio.create_subprocess_exec(
                *_launched(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe.write_fd,
                stderr=pipe.write_fd,
                env={**env, **guard.mark(instance)},
                cwd=cwd,
                pass_fds=tuple(fds),
                start_new_session=True,
            )
        except BaseException:
            pipe.close()
            raise
        finally:
            pipe.handed_over()
        guard.watch(child.pid)
        return cls(child, pipe, guard, guard.token(instance))

    async def wait(self) -> int:
        """The exit code, negative for a signal; returns after the leftovers are gone, too."""
        return await asyncio.shield(self._end)

    def signal(self, number: Signals) -> None:
        """To the child alone; nothing happens when it has ended."""
        if self._child.returncode is None:
            try:
                self._child.send_signal(number)
            except ProcessLookupError:
                pass

    def signal_group(self, number: Signals) -> None:
        """To all of its process group: a shell in front of the real program passes no signal on."""
        if self._child.returncode is None:
            try:
                os.killpg(self.pid, number)  # not yet waited for, so the id is still its own
            except (ProcessLookupError, PermissionError):
                pass

    async def stop(self, drain_s: float) -> int:
        """SIGTERM to the group, SIGKILL after `drain_s` seconds. Returns the exit code.

        Who comes second waits for the first: a second SIGTERM tells many programs, and every node, to drain no longer.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(drain_s), name=f"stop of {self.pid}")
        return await asyncio.shield(self._stopping)

    async def _stop(self, drain_s: float) -> int:
        self.signal_group(signal.SIGTERM)
        try:
            async with asyncio.timeout(drain_s):
                return await self.wait()
        except TimeoutError:
            self.signal_group(signal.SIGKILL)
            return await self.wait()

    async def _wait(self) -> int:
        code = await self._child.wait()
        self.left_behind = await self._guard.clear(self._mark, self.pid)
        self._guard.forget(self.pid)
        self._pipe.close()
        return code


def _launched(command: Sequence[str]) -> list[str]:
    if not _HAS_PDEATHSIG:
        return list(command)
    return [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command]


def describe_exit(code: int) -> str:
    """An exit code in words: `exit code 3`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
