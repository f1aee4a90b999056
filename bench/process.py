"""Server processes on one core, clients on the other, and what each of them spent.

One rule: a process is started pinned, says in one JSON line on its standard output where it listens or what it
measured, and is ended by its own pid.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER_CORE, CLIENT_CORE = 0, 1
_START_S = 20  # a Python server with grpc or uvloop needs about one
_RUN_S = 120  # several times the longest measurement
_STOP_S = 10
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Server:
    """A server that listens on `port` of 127.0.0.1."""

    name: str
    pid: int
    port: int
    admin: str | None = None  # host:port of its HTTP side, if it has one


def _pinned(core: int, command: Sequence[str | Path]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)]), *map(str, command)]


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the bench with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


@contextmanager
def server(name: str, command: Sequence[str | Path]) -> Iterator[Server]:
    """Runs a server on the server core until the block is left."""
    process = subprocess.Popen(_pinned(SERVER_CORE, command), stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} ended with {process.wait(_START_S)} before it listened; see its errors above")
        told = json.loads(line)
        yield Server(name, process.pid, told["port"], told.get("admin"))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def client(command: Sequence[str | Path], core: int = CLIENT_CORE) -> dict[str, Any]:
    """Runs a load generator on the client core and gives what it measured."""
    done = subprocess.run(
        _pinned(core, command), stdout=subprocess.PIPE, text=True, cwd=_ROOT, timeout=_RUN_S, check=False
    )
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}; see its errors above")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def cpu_spent_ns(pid: int) -> int:
    """CPU time of all living threads of a process, from the scheduler's own accounts."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
