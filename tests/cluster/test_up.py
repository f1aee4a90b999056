"""`mesh up` as a process of its own: how it starts, refuses, and above all how it ends."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.cluster import keeper
from mesh.discovery.agent import ConsulUnavailable, find_consul

pytestmark = pytest.mark.integration

# All ignore SIGTERM. One sits in a session of its own, one is a daemon: session left, parent gone, no one's child.
STUBBORN = "trap '' TERM; setsid sh -c 'sleep 600 & sleep 600' & (setsid sleep 600 &) ; sleep 600 & wait"
LEFT_BY_S = 5.0


def toml(plan):
    lines = [f"consul.enabled = {json.dumps(plan['consul']['enabled'])}"]
    lines += [f"restart.{key} = {value}" for key, value in plan["restart"].items()]
    for name, table in plan["services"].items():
        lines.append(f"[services.{name}]")
        for key, value in table.items():
            if key == "env":
                lines.append("env = {" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}")
            else:
                lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class Up:
    """`mesh up --json` as a child; the marks in the environment tell what belongs to it."""

    def __init__(self, command, folder, env):
        self.mark = f"test-{random.SystemRandom().getrandbits(64):x}"
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**env, keeper.MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def events_until(self, event):
        found = []
        for line in self.process.stdout:
            found.append(json.loads(line))
            if found[-1]["event"] == event:
                return found
        raise AssertionError(f"no {event!r} in {found}; stderr: {self.process.stderr.read()}")

    def processes(self):
        """All that are alive and descend from it, itself included."""
        return [row for row in keeper.rows() if not row.dead and self.mark in row.mark.split("/")]

    def wait(self, timeout=20):
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def gone_after_s(self):
        """Seconds until nothing is left, looked at for long enough to be sure of the answer."""
        begun = time.monotonic()
        while self.processes() and time.monotonic() - begun < LEFT_BY_S + 5:
            time.sleep(0.05)
        return time.monotonic() - begun


@pytest.fixture
def up(tmp_path, mesh_up, project_env, make_plan):
    """`up(*arguments, alpha={...})` in a folder with such a cluster.toml; whatever is left in the end is killed."""
    started = []

    def start(*arguments, consul=False, **services):
        plan = make_plan(**services)
        plan["consul"]["enabled"] = consul
        (tmp_path / "cluster.toml").write_text(toml(plan))
        started.append(Up([*mesh_up, *arguments], tmp_path, project_env))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()
        for row in one.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(row.pid, signal.SIGKILL)


def test_sigkill_leaves_nothing_five_seconds_later(up, tmp_path):
    one = up(
        "--json",
        consul=True,
        plain={"instances": 2},
        stubborn={"env": {"FAKE_IGNORE_TERM": "1", "FAKE_CHILD": STUBBORN}},
        shell={"command": ["sh", "-c", "trap '' TERM; sleep 600 & sleep 600; exit 3"], "ready": "tcp"},
        crashing={"env": {"FAKE_CRASH": "always"}},
    )
    one.events_until("not_ready")
    names = " ".join(Path(f"/proc/{row.pid}/cmdline").read_text() for row in one.processes())
    assert names.count("sleep") >= 6
    assert consul_can_be_had() == ("agent.json" in names)
    one.process.kill()
    one.process.wait()
    assert one.gone_after_s() < LEFT_BY_S
    assert not (tmp_path / ".mesh" / tmp_path.name / "state.json").exists()


def consul_can_be_had():
    try:
        find_consul()
    except ConsulUnavailable:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can adopt orphans; docs/cluster.md says so")
def test_not_even_a_daemon_without_session_and_environment_is_left(up, tmp_path):
    daemon = "(setsid env -i sh -c 'trap : TERM; echo $$ >daemon; while :; do sleep 1; done' &)"
    one = up("--json", alpha={"env": {"FAKE_CHILD": daemon}})
    one.events_until("ready")
    file = tmp_path / "daemon"
    while not (file.exists() and file.read_text().strip()):
        time.sleep(0.02)
    pid = int(file.read_text())
    start = keeper.start_of(pid)
    while parent_of(pid) != one.process.pid:  # adopted
        time.sleep(0.02)
    time.sleep(3)  # the supervisor looks for orphans once a second
    one.process.kill()
    one.process.wait()
    until = time.monotonic() + LEFT_BY_S
    while keeper.start_of(pid) == start and time.monotonic() < until:
        time.sleep(0.05)
    assert keeper.start_of(pid) != start


def parent_of(pid):
    return next((row.ppid for row in keeper.rows() if row.pid == pid), None)


@pytest.mark.parametrize("moment_s", [0.3, 0.4, 0.5, 0.6])
def test_sigkill_in_the_middle_of_starting(up, moment_s):
    """Measured from the start of Python: before, while and after the children are forked, on any machine's speed."""
    one = up("--json", plain={"instances": 4}, stubborn={"env": {"FAKE_IGNORE_TERM": "1", "FAKE_CHILD": STUBBORN}})
    with contextlib.suppress(subprocess.TimeoutExpired):
        one.process.wait(moment_s)
    one.process.kill()
    one.process.wait()
    assert one.gone_after_s() < LEFT_BY_S


def test_without_the_keeper_the_kernel_still_ends_the_instances(up):
    """Both killed in the same moment: PR_SET_PDEATHSIG reaches the direct children."""
    one = up("--json", plain={"instances": 2})
    ready = one.events_until("ready")[-1]
    os.kill(one.process.pid, signal.SIGSTOP)  # so that it cannot start another keeper in between
    os.kill(ready["keeper"], signal.SIGKILL)
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert one.gone_after_s() < LEFT_BY_S


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1)])
def test_a_signal_stops_everything_in_order(up, tmp_path, number, code):
    one = up("--json", plain={"instances": 2})
    one.events_until("ready")
    os.killpg(one.process.pid, number)  # as a terminal sends it
    returncode, out, err = one.wait()
    events = [json.loads(line) for line in out.splitlines()]
    states = [event["state"] for event in events if event["event"] == "change"]
    assert (returncode, err) == (code, "")
    assert sorted(states) == ["stopped", "stopped", "stopping", "stopping"]
    assert one.processes() == []
    assert not (tmp_path / ".mesh" / tmp_path.name / "state.json").exists()


def test_a_second_signal_does_not_wait_for_the_drain(up):
    one = up("--json", deaf={"drain_s": 60, "env": {"FAKE_IGNORE_TERM": "1"}})
    one.events_until("ready")
    one.process.send_signal(signal.SIGINT)
    one.events_until("stopping")
    one.process.send_signal(signal.SIGINT)
    assert one.wait()[0] == 0
    assert one.processes() == []


def test_a_second_one_is_refused_and_runs_beside_under_another_name(up, tmp_path):
    first = up("--json", alpha={})
    ports = first.events_until("ready")[-1]["services"]["alpha"][0]
    second = up("--json", alpha={})
    code, _, err = second.wait()
    assert code != 0
    assert f"already runs in {tmp_path} (pid {first.process.pid})" in err
    assert f"--name {tmp_path.name}-2" in err
    beside = up("--json", "--name", "other", alpha={})
    others = beside.events_until("ready")[-1]["services"]["alpha"][0]
    assert not {ports["listen"], ports["admin"]} & {others["listen"], others["admin"]}
    assert first.process.poll() is None


def test_after_a_sigkill_the_next_one_waits_for_the_keeper(up):
    first = up("--json", deaf={"env": {"FAKE_IGNORE_TERM": "1"}})
    pid = first.events_until("ready")[-1]["services"]["deaf"][0]["pid"]
    first.process.kill()
    first.process.wait()
    second = up("--json", deaf={})
    second.events_until("ready")
    assert pid not in {row.pid for row in first.processes()}


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("sh -c 'exit 5'", 5), ("sh -c 'kill -9 $$'", 128 + 9)])
def test_run_ends_with_the_code_of_its_command(up, command, code):
    one = up("--run", command, alpha={})
    assert one.wait()[0] == code
    assert one.processes() == []


def test_run_gives_the_command_the_way_to_the_cluster(up):
    one = up("--run", "sh -c 'cat $MESH_STATE; echo $MESH_REGISTRY >&2'", alpha={})
    code, out, err = one.wait()
    state = json.loads(out)
    assert code == 0
    assert state["services"]["alpha"][0]["state"] == "ready"
    assert state["registry"] in err


def test_run_passes_a_signal_on_and_stops_afterwards(up):
    one = up("--run", "sh -c 'trap \"echo told; exit 4\" TERM; echo here; while :; do sleep 0.05; done'", alpha={})
    assert one.process.stdout.readline() == "here\n"
    one.process.send_signal(signal.SIGTERM)
    code, out, _ = one.wait()
    assert (code, out) == (128 + 15, "told\n")
    assert one.processes() == []


def test_run_of_a_cluster_that_does_not_get_ready_fails_and_says_why(up):
    one = up("--run", "echo never", bad={"env": {"FAKE_CRASH": "always"}})
    code, out, err = one.wait()
    assert code != 0
    assert out == ""
    assert "bad-1 is failed" in err
    assert one.processes() == []


def test_plain_lines_where_there_is_no_terminal(up, tmp_path):
    one = up(alpha={})
    lines = []
    for line in one.process.stdout:
        lines.append(line.rstrip("\n"))
        if "is ready after" in line:
            break
    assert lines[0] == f"cluster {tmp_path.name}: starting 1 instances of 1 services"
    assert lines[1].startswith("alpha-1 starting (pid ")
    assert lines[2] == "alpha-1 ready"
    assert "registry file://" in lines[3]
    assert "\x1b" not in "".join(lines)


def test_a_reader_that_goes_away_keeps_nobody_from_stopping_it(up, tmp_path):
    one = up("--json", alpha={})
    one.events_until("starting")
    one.process.stdout.close()
    one.process.stderr.close()
    state = tmp_path / ".mesh" / tmp_path.name / "state.json"
    until = time.monotonic() + 20
    while not (state.exists() and '"ready"' in state.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    one.process.send_signal(signal.SIGTERM)
    one.process.wait(20)
    assert one.processes() == []
