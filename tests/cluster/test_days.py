"""The working day: `mesh up -d`, ps, logs, restart, scale, down and reset, each as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from mesh.cli.main import main
from mesh.cluster import keeper, protocol, reach
from tests.cluster.test_up import Up, toml

pytestmark = [
    pytest.mark.integration,
    # What `mesh up -d` leaves running on purpose would outlive its command; here it outlives a function.
    pytest.mark.filterwarnings(r"ignore:subprocess \d+ is still running:ResourceWarning"),
]

SLOW_END = """
import os, signal, socket, time
host, port = os.environ["MESH_LISTEN"].split(":")
listening = socket.create_server((host, int(port)))
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), os._exit(0)))
while True:
    signal.pause()
"""


class Project:
    """A folder with a cluster.toml of fake nodes, and `mesh` in it."""

    def __init__(self, folder, plan_of, capsys):
        self.folder, self.plan_of, self.capsys = folder, plan_of, capsys
        self.mark = os.environ[keeper.MARK]

    def plan(self, extra="", **services):
        (self.folder / "cluster.toml").write_text(toml(self.plan_of(**services)) + extra)

    def start(self, *words, **options):
        return subprocess.Popen(
            [sys.executable, "-m", "mesh.cli.main", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def mesh(self, *words):
        """Exit code, stdout, stderr. In this process: starting Python for each of them takes most of the time."""
        self.capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as error:  # argparse's own
            code = error.code
        return code, *self.capsys.readouterr()

    def ok(self, *words):
        code, out, err = self.mesh(*words)
        assert code == 0, (words, out, err)
        return out

    def ps(self):
        return json.loads(self.ok("ps", "--json"))

    def pids(self):
        return {one["id"]: one["pid"] for one in self.ps()["instances"] if not one["beside"]}

    @property
    def run(self):
        return self.folder / ".mesh" / self.folder.name

    def processes(self):
        return [row for row in keeper.rows() if not row.dead and self.mark in row.mark.split("/")]

    def supervisor(self):
        return self.ps()["pid"]


@pytest.fixture
def project(tmp_path, monkeypatch, make_plan, capsys):
    for name in [name for name in os.environ if name.startswith("MESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(keeper.MARK, f"test-{os.getpid()}-{tmp_path.name}")
    monkeypatch.chdir(tmp_path)
    one = Project(tmp_path, make_plan, capsys)
    yield one
    for row in one.processes():
        keeper.send(row, signal.SIGKILL)


def eventually(condition, timeout_s=20):
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.05)


def test_a_day(project):
    project.plan(alpha={"instances": 2}, beta={})
    out = project.ok("up", "-d")
    assert "alpha-2" in out
    assert "supervisor pid" in out
    first = project.pids()
    assert set(first) == {"alpha-1", "alpha-2", "beta-1"}
    state = project.ps()
    assert {one["state"] for one in state["instances"]} == {"ready"}
    assert all(one["uptime_s"] is not None for one in state["instances"])
    assert not psutil.Process(state["pid"]).terminal()

    code, _, err = project.mesh("up", "-d")
    assert (code, "runs in" in err, "mesh down" in err) == (1, True, True)

    (project.folder / ".env").write_text("COLOUR=red\n")
    assert "2 instances restarted: alpha-1, alpha-2" in project.ok("restart", "alpha")
    second = project.pids()
    assert second["beta-1"] == first["beta-1"]
    assert not set(second.values()) & {first["alpha-1"], first["alpha-2"]}
    assert psutil.Process(second["alpha-1"]).environ()["COLOUR"] == "red"
    assert "COLOUR" not in psutil.Process(second["beta-1"]).environ()

    assert project.ok("scale", "alpha=3", "beta=0").splitlines() == ["alpha: 2 -> 3", "beta: 1 -> 0"]
    assert set(project.pids()) == {"alpha-1", "alpha-2", "alpha-3"}
    assert psutil.Process(project.pids()["alpha-3"]).environ()["COLOUR"] == "red"  # as of the plan by now
    assert project.ok("scale", "alpha=1", "--json")
    assert project.pids() == {"alpha-1": second["alpha-1"]}

    assert "has stopped" in project.ok("down")
    assert project.processes() == []
    assert not (project.run / "state.json").exists()
    code, _, err = project.mesh("ps")
    assert (code, "no cluster runs" in err) == (1, True)
    code, _, err = project.mesh("down")
    assert (code, "no cluster runs" in err) == (0, True)

    logs = project.ok("logs", "-n", "all").splitlines()
    assert [line.split()[0] for line in logs] == sorted(line.split()[0] for line in logs)
    assert sum("fake: alpha-1.2 serves" in line for line in logs) == 1
    assert any(line.split()[1:] == ["supervisor", "the", "cluster", "has", "stopped"] for line in logs)
    beta = [json.loads(line) for line in project.ok("logs", "beta", "--json").splitlines()]
    assert [one["instance"] for one in beta] == ["beta-1"]
    assert project.mesh("logs", "btea")[0] == 2


def test_a_broken_restart_goes_back_and_says_why(project):
    project.plan(alpha={"instances": 2, "env": {"COLOUR": "red"}})
    project.ok("up", "-d")
    before = project.pids()
    # Only the second instance fails with this plan.
    script = "case $MESH_INSTANCE in alpha-2*) echo no second one; exit 3;; esac; exec {python} $FAKE"
    fake = project.plan_of(alpha={})["services"]["alpha"]["command"][1]
    project.plan(alpha={"instances": 2, "command": ["sh", "-c", script], "env": {"COLOUR": "blue", "FAKE": fake}})
    code, out, err = project.mesh("restart", "alpha")
    assert (code, out) == (1, "")
    for part in (
        "alpha-2 was not restarted: the new process ended before it was ready: exit code 3",
        "| no second one",
        "back to what they ran before: alpha-1",
        "untouched: alpha-2",
    ):
        assert part in err
    after = project.pids()
    assert after["alpha-2"] == before["alpha-2"]
    assert after["alpha-1"] != before["alpha-1"]
    assert psutil.Process(after["alpha-1"]).environ()["COLOUR"] == "red"

    project.plan(extra="[services.alpha]\nx = 1\n")
    code, _, err = project.mesh("restart", "alpha")
    assert (code, "did you mean" in err or "known:" in err) == (2, True)
    project.plan(beta={})
    code, _, err = project.mesh("restart", "alpha")
    assert (code, "no service alpha any more" in err) == (1, True)
    project.plan(alpha={"shared_ports": ["http"]})
    code, _, err = project.mesh("restart", "alpha")
    assert (code, "shared_ports of alpha changed" in err) == (1, True)
    assert project.pids() == after
    for words, says in (
        (["restart", "alhpa"], "did you mean alpha?"),
        (["restart"], "or --all"),
        (["scale", "alpha=999"], "0 to 64"),
        (["scale", "alpha"], "SERVICE=N"),
        (["scale", "alpha=1", "alpha=2"], "twice"),
    ):
        code, _, err = project.mesh(*words)
        assert (code, says in err) == (2, True), err
    project.ok("down", "--now")


def test_who_does_not_get_ready_by_a_scaling_is_taken_away(project):
    script = "case $MESH_INSTANCE in alpha-1*) exec {python} $FAKE;; esac; echo only one; exit 3"
    fake = project.plan_of(alpha={})["services"]["alpha"]["command"][1]
    project.plan(alpha={"command": ["sh", "-c", script], "env": {"FAKE": fake}})
    project.ok("up", "-d")
    before = project.pids()
    code, _, err = project.mesh("scale", "alpha=3")
    assert code == 1
    for part in ("alpha-2: exit code 3", "alpha-3: exit code 3", "| only one"):
        assert part in err
    assert project.pids() == before
    project.ok("down")


def test_one_change_at_a_time_and_whoever_leaves_takes_it_back(project):
    project.plan(alpha={"env": {"FAKE_READY_AFTER_S": "0"}}, beta={})
    project.ok("up", "-d")
    before = project.pids()
    project.plan(alpha={"env": {"FAKE_READY_AFTER_S": "60"}}, beta={})
    restart = project.start("restart", "alpha")
    eventually(lambda: any(one["beside"] for one in project.ps()["instances"]))
    for words in (["restart", "beta"], ["scale", "beta=2"]):
        code, _, err = project.mesh(*words)
        assert (code, "a restart of alpha is under way since" in err) == (1, True)
    assert "a restart of alpha is under way" in project.ok("ps")
    restart.send_signal(signal.SIGINT)
    restart.communicate(timeout=20)
    assert restart.returncode == 130
    eventually(lambda: not project.ps()["under_way"])
    assert not [one for one in project.ps()["instances"] if one["beside"]]
    assert project.pids() == before

    restart = project.start("restart", "alpha")  # and the end of the cluster goes ahead of it
    eventually(lambda: any(one["beside"] for one in project.ps()["instances"]))
    project.ok("down")
    _, err = restart.communicate(timeout=20)
    assert restart.returncode == 1
    assert "the cluster stops" in err
    assert project.processes() == []


@pytest.mark.parametrize("words", [["restart", "alpha"], ["scale", "alpha=3", "slow=0"], ["down"]])
def test_the_supervisor_killed_in_the_middle(project, words):
    slow = {"command": [sys.executable, "-c", SLOW_END], "ready": "tcp"}
    project.plan(alpha={"env": {"FAKE_READY_AFTER_S": "0.3"}}, slow=slow)
    project.ok("up", "-d")
    supervisor = project.supervisor()
    asking = project.start(*words)
    time.sleep(0.5)  # in the middle, whatever that is
    os.kill(supervisor, signal.SIGKILL)
    _, err = asking.communicate(timeout=20)
    assert asking.returncode in (0, 1), err
    out = project.ok("down")
    assert "had been killed" in out or out == ""
    eventually(lambda: project.processes() == [], 6)
    assert not protocol.socket_path(project.run).exists()
    assert not reach.look(project.run).held


def test_down_after_the_keeper_was_killed_too(project):
    project.plan(alpha={"env": {"FAKE_CHILD": "trap '' TERM; setsid sleep 600 & sleep 600"}})
    project.ok("up", "-d")
    state = json.loads((project.run / "state.json").read_text())
    for pid in (state["pid"], state["keeper"]):
        os.kill(pid, signal.SIGSTOP)
    for pid in (state["keeper"], state["pid"]):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not reach.look(project.run).held)
    code, _, err = project.mesh("ps")
    assert (code, "was killed" in err) == (1, True)
    assert "processes ended" in project.ok("down")
    assert project.processes() == []
    project.ok("up", "-d")
    project.ok("down")


def test_reset_deletes_this_clusters_data_and_nothing_that_runs(project, tmp_path):
    project.plan(alpha={}, beta={})
    project.ok("up", "-d")
    (project.run / "data" / "alpha" / "kept").write_text("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("x")
    (project.run / "data" / "beta" / "link").symlink_to(elsewhere)
    assert project.mesh("reset", "--yes")[0] == 1
    code, _, err = project.mesh("reset", "--force")
    assert (code, "--yes" in err) == (2, True)
    project.ok("ps")  # it asked before it stopped anything
    project.ok("reset", "beta", "--yes", "--force")
    assert project.mesh("ps")[0] == 1
    assert (elsewhere / "mine").exists()
    assert sorted(path.name for path in (project.run / "data").iterdir()) == ["alpha"]
    code, _, err = project.mesh("reset", "../alpha", "--yes")
    assert (code, "no name" in err) == (2, True)
    project.ok("reset", "--yes")
    assert not (project.run / "data").exists()
    assert (project.run / "logs").exists()
    assert project.mesh("reset", "--yes")[0] == 0


def test_what_does_not_get_ready_is_said_and_the_rest_runs(project):
    project.plan(
        good={}, bad={"env": {"FAKE_CRASH": "always"}}, wrong={"command": ["sh", "-c", "echo no port; exit 78"]}
    )
    code, out, err = project.mesh("up", "-d")
    assert (code, out) == (1, "")
    assert "wrong-1 is failed: exit code 78; given up at once: its configuration is wrong" in err
    assert "| no port" in err
    assert "mesh down" in err
    eventually(lambda: {one["state"] for one in project.ps()["instances"]} == {"ready", "failed"})
    wrong = next(one for one in project.ps()["instances"] if one["id"] == "wrong-1")
    assert wrong["restarts"] == 0
    project.plan(good={}, bad={})
    project.ok("restart", "bad")  # one that was given up is restarted like any other
    project.ok("down")


def test_stopped_while_it_starts(project):
    project.plan(alpha={"env": {"FAKE_READY_AFTER_S": "60"}})
    starting = project.start("up", "-d")
    eventually(lambda: project.mesh("ps")[0] == 0)
    project.ok("down")
    out, err = starting.communicate(timeout=30)
    assert (starting.returncode, out) == (1, "")
    assert "the cluster was stopped before it was ready" in err
    assert project.processes() == []


def test_a_plan_that_cannot_be_read_starts_nothing(project):
    project.plan(extra="nme = 1\n")
    code, _, err = project.mesh("up", "-d")
    assert (code, "did you mean 'name'" in err) == (2, True)
    project.plan(alpha={})
    code, _, err = project.mesh("up", "-d", "--overlay", "prod")
    assert (code, "no overlay 'prod'" in err) == (2, True)
    assert not project.run.exists()


def test_an_overlay_holds_for_restarts_too(project):
    project.plan(alpha={"env": {"COLOUR": "red"}})
    (project.folder / "cluster.prod.toml").write_text('[services.alpha]\nenv = { COLOUR = "blue" }\n')
    project.ok("up", "-d", "--overlay", "prod")
    project.ok("restart", "alpha")
    assert psutil.Process(project.pids()["alpha-1"]).environ()["COLOUR"] == "blue"
    assert project.ps()["overlays"] == ["prod"]
    project.ok("down")


def test_the_foreground_takes_the_same_commands(project, mesh_up):
    project.plan(alpha={})
    up = Up([*mesh_up, "--json"], project.folder, os.environ)
    try:
        up.events_until("ready")
        project.ok("restart", "alpha-1")
        project.ok("down")
        code, out, err = up.wait()
        assert (code, err) == (0, "")
        assert '"event": "stopping"' in out
    finally:
        up.process.kill()
        up.process.communicate()


def test_logs_follow_a_restart_and_a_new_instance(project):
    project.plan(alpha={})
    project.ok("up", "-d")
    following = project.start("logs", "-f", "-n", "all", "alpha")
    try:
        seen = following.stdout.readline()
        assert "alpha-1 serves" in seen
        project.ok("restart", "alpha")
        project.ok("scale", "alpha=2")
        while "alpha-2 serves" not in seen:
            seen += following.stdout.readline()
        assert "alpha-1.2 serves" in seen
        assert "\x1b" not in seen
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=10)
        project.ok("down")


def test_a_socket_of_ours_that_is_open_to_nobody_else(project):
    project.plan(alpha={})
    project.ok("up", "-d")
    assert protocol.socket_path(project.run).stat().st_mode & 0o777 == 0o600
    talker = socket.socket(socket.AF_UNIX)
    talker.connect(str(protocol.socket_path(project.run)))
    talker.sendall(b"\x00\xffgarbage")
    project.ok("ps")  # while that one says nothing more
    project.ok("down")
    talker.close()
