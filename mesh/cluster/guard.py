"""The supervisor's end of the keeper: starts it, tells it every session, and starts another should it die.

One rule: the keeper runs before the first child does, and ends after the last one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from mesh.cluster import keeper
from mesh.cluster.rundir import RunDirectory

# Longer than the keeper takes at the most (keeper.GIVE_UP_S).
CLOSE_S = 6.0


class Guard:
    """`async with Guard(run, directory) as guard:`. `run` is the mark of this run's processes."""

    def __init__(self, run: str, directory: RunDirectory) -> None:
        self.run = run
        self._directory = directory
        self._leaders: dict[int, float] = {}
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Guard:
        self._start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._tell("done\n")
        process, self._process = self._process, None
        if process is None:
            return
        self._hang_up(process)
        await asyncio.to_thread(process.wait, CLOSE_S)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def watch(self, pid: int) -> None:
        """`pid`, and the session that it may lead, must not outlive this process."""
        start = keeper.start_of(pid)
        if start is not None:
            self._leaders[pid] = start
            self._tell(f"+{pid} {start}\n")

    def forget(self, pid: int) -> None:
        """The session is over, every member included."""
        if self._leaders.pop(pid, None) is not None:
            self._tell(f"-{pid}\n")

    def ensure(self) -> bool:
        """Starts another keeper if this one has died. Returns whether that was needed."""
        if self._process is None or self._process.poll() is None:
            return False
        self._hang_up(self._process)
        self._start()
        for pid, start in self._leaders.items():
            self._tell(f"+{pid} {start}\n")
        return True

    def mark(self, instance: str = "") -> dict[str, str]:
        """The variable that a process of this run, or of one instance of it, has in its environment."""
        outer = os.environ.get(keeper.MARK, "")
        own = self.token(instance) if instance else ""
        return {keeper.MARK: "/".join(part for part in (outer, self.run, own) if part)}

    def token(self, instance: str) -> str:
        """The part of the mark that only this instance's processes have."""
        return f"{self.run}:{instance}"

    async def clear(self, mark: str, pid: int, *, spare: frozenset[int] = frozenset()) -> int:
        """Kills what an ended instance left behind: processes with its `mark` or in the session `pid`.

        Returns how many there were.
        """
        leaders = {pid: self._leaders.get(pid, -1.0)}

        def kill() -> int:
            left = keeper.belonging(keeper.rows(), mark, leaders, spare)
            keeper.sweep(
                lambda: keeper.belonging(keeper.rows(), mark, leaders, spare), term_s=0.0, give_up_s=1.0, quiet_s=0.0
            )
            return len(left)

        return await asyncio.to_thread(kill)

    def _start(self) -> None:
        script = Path(keeper.__file__)
        with (self._directory.logs / "keeper.log").open("ab") as log:
            self._process = subprocess.Popen(
                # -I: no PYTHON* variable, no user site and no folder of the caller's gets into it.
                [sys.executable, "-I", str(script), self.run, str(self._directory.state_file)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                cwd="/",  # it may be the last one alive and should hold no folder
                start_new_session=True,
                pass_fds=(self._directory.lock_fd,),
            )

    def _hang_up(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if process.stdin is not None:
                process.stdin.close()
        except OSError:
            pass  # it is not there to read the end

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            # 64 KiB of pipe hold thousands of lines; the keeper reads whenever there is one.
            os.write(self._process.stdin.fileno(), line.encode())
        except OSError:
            pass  # it has died: `ensure` starts another and repeats everything
