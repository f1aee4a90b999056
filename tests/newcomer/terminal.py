"""A newcomer's terminal: commands one after the other, with the folder and the variables that the one before left.

One rule: whatever a command started ends with the terminal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

COMMAND_S = 180.0  # the longest is a pip install without its cache
POLL_S = 0.05
# Runs its first argument in this very shell; the folder and what is exported go to the file of the second.
_SHELL = 'eval "$1"; status=$?; { pwd; env -0; } >"$2"; exit $status'


class Terminal:
    """`with Terminal(folder, env) as terminal`. Output is stdout and stderr as they come, as a person sees them."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self._front: subprocess.Popen[bytes] | None = None
        self._output = tempfile.NamedTemporaryFile(prefix="newcomer-")  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._front is not None:
            self._end(self._front)
        self._output.close()

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output. Raises TimeoutError."""
        self._output.truncate(0)
        with tempfile.NamedTemporaryFile(prefix="newcomer-") as left:
            process = self._start(["bash", "-c", _SHELL, "bash", command, left.name])
            try:
                code = process.wait(COMMAND_S)
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"it still runs after {COMMAND_S:.0f} s; so far:\n{self.output()}") from None
            finally:
                self._end(process)
            folder, _, variables = left.read().decode().partition("\n")
        if folder:
            self.folder = Path(folder)
            self.env = dict(pair.partition("=")[::2] for pair in variables.split("\0") if pair)
        return code, self.output()

    def start(self, command: str) -> None:
        """Leaves `command` running in front."""
        self._output.truncate(0)
        self._front = self._start(["bash", "-c", f"exec {command}"])

    def interrupt(self) -> int:
        """Ctrl-C to what runs in front; its exit code. Raises TimeoutError."""
        assert self._front is not None, "nothing runs there"
        front, self._front = self._front, None
        os.killpg(front.pid, signal.SIGINT)
        try:
            return front.wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"it still runs {COMMAND_S:.0f} s after Ctrl-C; so far:\n{self.output()}") from None
        finally:
            self._end(front)

    @property
    def busy(self) -> bool:
        return self._front is not None and self._front.poll() is None

    def output(self) -> str:
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with open(self._output.name, "ab") as output:
            return subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_hear_interrupts,
            )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """First as a person would, so that `mesh up` can end its own children."""
        for number, patience_s in ((signal.SIGINT, 20.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number if process.poll() is None else signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
                return


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a suite that runs in the background has it ignored


def wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Whether `condition` came true in time."""
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True
