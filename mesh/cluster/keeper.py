"""The keeper: a small process that outlives a killed `mesh up` and takes down whatever that had started.

One rule: a process is signalled only after it was recognised: by the run's mark in its environment, which every
descendant inherits; by the session of an instance; or as a child of one of these. A pid alone proves nothing.

It runs as a script and needs the standard library only (on Linux; elsewhere psutil reads the process table), so that
it is up in some 20 ms and holds few pages. The supervisor tells it each session leader over its standard input:
`+PID START` and `-PID`, a line each. End of input without `done` means that the supervisor is dead.

Linux has PR_SET_PDEATHSIG as well (see `launch`), which acts at once but only on direct children. The keeper reaches
grandchildren, those that ignore SIGTERM, and those in sessions of their own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

MARK = "MESH_CLUSTER_RUN"  # the runs that a process belongs to, outermost first, with slashes between
TERM_S = 2.0  # from SIGTERM to SIGKILL: leaves half of the five seconds for the killing
GIVE_UP_S = 4.7  # a process that cannot even be killed (stuck in the kernel) is left; five seconds were promised
QUIET_S = 0.6  # nothing found for so long: a child that was being forked has had time to show its mark
POLL_S = 0.05


class Row(NamedTuple):
    """A process. `start` tells it from a later one with the same pid (clock ticks since boot, or seconds)."""

    pid: int
    ppid: int
    sid: int
    start: float
    mark: str
    dead: bool  # a zombie: holds nothing any more and waits for its parent


def _proc_row(pid: int) -> Row | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # proc_pid_stat(5): the second field is the program's name in parentheses and may hold any byte.
            stat = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        environ = b""  # another user's, which could not be signalled either; or it is just ending
    mark = next((item for item in environ.split(b"\0") if item.startswith(MARK.encode() + b"=")), b"")
    text = mark.partition(b"=")[2].decode("utf-8", "replace")
    return Row(pid, int(stat[1]), int(stat[3]), float(stat[19]), text, stat[0] in (b"Z", b"X"))


def proc_rows() -> Iterator[Row]:
    """The process table out of Linux' /proc."""
    for name in os.listdir("/proc"):
        row = _proc_row(int(name)) if name.isdigit() else None
        if row is not None:
            yield row


def psutil_rows() -> Iterator[Row]:
    """The same through psutil, for systems without /proc (macOS shows a process its own user's environments)."""
    import psutil

    for process in psutil.process_iter():
        try:
            dead = process.status() == psutil.STATUS_ZOMBIE
            sid, ppid, start = os.getsid(process.pid), process.ppid(), process.create_time()
        except (psutil.Error, OSError):
            continue
        try:
            mark = process.environ().get(MARK, "")
        except (psutil.Error, OSError):
            mark = ""
        yield Row(process.pid, ppid, sid, start, mark, dead)


ProcessTable = Callable[[], Iterable[Row]]
rows: ProcessTable = proc_rows if os.path.isdir("/proc/self") else psutil_rows


def start_of(pid: int) -> float | None:
    """The start of the process `pid`, as in `Row.start`; None when there is none."""
    if rows is proc_rows:
        row = _proc_row(pid)
        return row.start if row is not None else None
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def belonging(table: Iterable[Row], run: str, leaders: Mapping[int, float], spare: Collection[int]) -> list[Row]:
    """The live processes that belong to `run` or to a session whose leader (pid: start) is in `leaders`, and their
    descendants. `spare` are pids that are left out.
    """
    living = {row.pid: row for row in table if not row.dead and row.pid not in spare}

    def in_session(row: Row) -> bool:
        if leaders.get(row.pid) == row.start:
            return True  # told by itself, whatever session it is in
        if row.sid not in leaders:
            return False
        # While a session has members its id is given to no new process; a leader with another start is a stranger.
        leader = living.get(row.sid)
        return leader is None or leader.start == leaders[row.sid]

    found = {pid: row for pid, row in living.items() if run in row.mark.split("/") or in_session(row)}
    grown = True
    while grown:
        children = [row for row in living.values() if row.ppid in found and row.pid not in found]
        found.update((row.pid, row) for row in children)
        grown = bool(children)
    return list(found.values())


def send(row: Row, number: signal.Signals) -> None:
    """Signals exactly the process that `row` describes, or nobody."""
    try:
        # Linux: holds the process while it is looked at, so that no later one with its pid can get the signal.
        pidfd = os.pidfd_open(row.pid)
    except (AttributeError, OSError):
        pidfd = -1
    try:
        if start_of(row.pid) != row.start:
            return
        if pidfd >= 0:
            signal.pidfd_send_signal(pidfd, number)
        else:
            os.kill(row.pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone meanwhile, or it has become another user's
    finally:
        if pidfd >= 0:
            os.close(pidfd)


def sweep(find: Callable[[], list[Row]], *, term_s: float, give_up_s: float, quiet_s: float) -> list[Row]:
    """Ends all that `find` finds: SIGTERM once each, SIGKILL after `term_s`, until nothing is found for `quiet_s`.

    Blocks. Returns what is still there after `give_up_s` seconds.
    """
    begun = last_seen = time.monotonic()
    told: set[tuple[int, float]] = set()
    while True:
        left = find()
        now = time.monotonic()
        if left:
            last_seen = now
        if (not left and now - last_seen >= quiet_s) or now - begun >= give_up_s:
            return left
        for row in left:
            if now - begun >= term_s:
                send(row, signal.SIGKILL)
            elif (row.pid, row.start) not in told:
                told.add((row.pid, row.start))
                send(row, signal.SIGTERM)
        time.sleep(POLL_S)


def obey(lines: Iterable[str], leaders: dict[int, float]) -> bool:
    """Follows the supervisor's lines until they end. Returns whether it said `done`."""
    for line in lines:
        word = line.split()
        if line == "done\n":
            return True
        if line.startswith("+") and len(word) == 2 and line.endswith("\n"):
            leaders[int(word[0][1:])] = float(word[1])
        elif line.startswith("-") and line.endswith("\n"):
            leaders.pop(int(word[0][1:]), None)
    return False


def main(arguments: list[str]) -> int:
    """`keeper.py RUN STATE_FILE`. The lock of the run directory is inherited and goes free when this process ends."""
    run, state_file = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends by itself, and only after its work
    leaders: dict[int, float] = {}
    done = obey(sys.stdin, leaders)
    left = sweep(
        lambda: belonging(rows(), run, leaders, spare=(os.getpid(),)),
        term_s=TERM_S,
        give_up_s=GIVE_UP_S,
        quiet_s=0.0 if done else QUIET_S,
    )
    try:
        os.unlink(state_file)
    except OSError:
        pass
    for row in left:
        print(f"pid {row.pid} of run {run} could not be ended within {GIVE_UP_S} s", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
