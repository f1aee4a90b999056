"""Whom the keeper takes for one of its run, and whom never."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.cluster import keeper
from mesh.cluster.keeper import MARK, Row, belonging, obey

RUN = "feed"


def row(pid, ppid=1, sid=None, start=10.0, mark="", dead=False):
    return Row(pid, ppid, pid if sid is None else sid, start, mark, dead)


def pids(table, leaders=None, spare=()):
    return {found.pid for found in belonging(table, RUN, leaders or {}, spare)}


TABLES = [
    ("the mark", [row(5, mark=RUN), row(6, mark="beef")], {}, {5}),
    (
        "the mark among others",
        [row(5, mark=f"outer/{RUN}/{RUN}:a-1"), row(6, mark=f"x{RUN}"), row(7, mark=f"{RUN}:a")],
        {},
        {5},
    ),
    ("a member of a told session", [row(5), row(6, sid=5), row(7, sid=8)], {5: 10.0}, {5, 6}),
    ("its leader is gone", [row(6, sid=5)], {5: 10.0}, {6}),
    ("its leader is a later process with the same pid", [row(5, start=99.0), row(6, sid=5)], {5: 10.0}, set()),
    (
        "children of either, in any order",
        [row(9, ppid=8, sid=9), row(8, ppid=5, sid=8), row(5, mark=RUN)],
        {},
        {5, 8, 9},
    ),
    ("zombies hold nothing", [row(5, mark=RUN, dead=True)], {5: 10.0}, set()),
    ("nobody", [row(1), row(2, ppid=1)], {}, set()),
]


@pytest.mark.parametrize(("why", "table", "leaders", "expected"), TABLES, ids=[case[0] for case in TABLES])
def test_who_belongs(why, table, leaders, expected):
    assert pids(table, leaders) == expected


def test_the_spared_are_left_out_with_what_only_they_started():
    assert pids([row(5, mark=RUN), row(6, ppid=5), row(7, mark=RUN)], spare=(5,)) == {7}


@pytest.mark.parametrize(
    ("lines", "done", "leaders"),
    [
        (["+5 10.0\n", "+6 11.0\n", "-5\n"], False, {6: 11.0}),
        (["+5 10.0\n", "done\n", "+6 1\n"], True, {5: 10.0}),
        (["+5 10.0\n", "+61 1"], False, {5: 10.0}),  # cut off in the middle: 61 may have been 613
        (["don"], False, {}),
        (["-7\n", "nonsense\n", "\n"], False, {}),
    ],
)
def test_what_the_supervisor_says(lines, done, leaders):
    told = {}
    assert obey(lines, told) is done
    assert told == leaders


@pytest.mark.integration
@pytest.mark.parametrize("rows", [keeper.psutil_rows, keeper.rows], ids=["psutil", "native"])
def test_both_ways_to_read_the_process_table_see_the_same(rows):
    child = subprocess.Popen(["sleep", "30"], env={**os.environ, MARK: "outer/abc"}, start_new_session=True)
    try:
        seen = {one.pid: one for one in rows()}
        found = seen[child.pid]
        assert (found.ppid, found.sid, found.dead) == (os.getpid(), child.pid, False)
        assert found.mark in ("outer/abc", "")  # "" between fork and exec
        assert found.start == next(one.start for one in rows() if one.pid == child.pid)
    finally:
        child.kill()
        child.wait()


@pytest.mark.integration
def test_a_signal_reaches_the_process_meant_and_no_later_one():
    child = subprocess.Popen(["sleep", "30"])
    try:
        start = keeper.start_of(child.pid)
        keeper.send(row(child.pid, start=start + 1), signal.SIGKILL)
        assert child.poll() is None
        keeper.send(row(child.pid, start=start), signal.SIGKILL)
        assert child.wait(5) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
    keeper.send(row(child.pid, start=start), signal.SIGKILL)  # gone: nothing happens


def ignores_sigterm(pid, within_s=10):
    ignored = re.compile(r"SigIgn:\s*(\w+)")
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        mask = int(ignored.search(Path(f"/proc/{pid}/status").read_text())[1], 16)
        if mask & 1 << (signal.SIGTERM - 1):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="which signals a process ignores is read from /proc")
def test_terminal_signals_do_not_end_it_and_the_end_of_input_does(tmp_path):
    state = tmp_path / "state.json"
    state.write_text("{}")
    command = [sys.executable, "-I", keeper.__file__, "no-such-run", str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        child = subprocess.Popen(["sleep", "30"], start_new_session=True)
        process.stdin.write(f"+{child.pid} {keeper.start_of(child.pid)}\n".encode())
        process.stdin.flush()
        try:
            assert ignores_sigterm(process.pid)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                process.send_signal(number)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
            assert child.poll() is None
            process.stdin.close()
            assert child.wait(5) == -signal.SIGTERM
            assert process.wait(5) == 0
            assert not state.exists()
        finally:
            child.kill()
            child.wait()
