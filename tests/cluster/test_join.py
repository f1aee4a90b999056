"""`mesh up --join` on hosts of their own: three Consul servers and two clusters in network namespaces."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.discovery.agent_process import write_settings
from tests.cluster.network import Network, why_not

pytestmark = pytest.mark.integration

SERVERS = ("s1", "s2", "s3")
FAR_SERVICE = Path(__file__).parent / "far_service.py"
PLAN = f"""
[services.left]
command = ["{{python}}", "{FAR_SERVICE}", "left"]
drain_s = 5
[services.right]
command = ["{{python}}", "{FAR_SERVICE}", "right"]
drain_s = 5
"""


class Hosts:
    """Consul servers s1 to s3, and the hosts `a` and `b` for clusters; everything ends with the network."""

    def __init__(self, network, folder, binary, env):
        self.network, self.folder, self.binary, self.env = network, folder, binary, env
        self.consuls = {}
        self.started = []

    def end(self):
        """Kills and reaps everything, and gives back the pipes."""
        for process in (*self.started, *self.consuls.values()):
            process.kill()
            process.communicate()

    def start(self, host, *command, cwd, **env):
        with (self.folder / f"{host}.stderr").open("ab") as errors:
            process = subprocess.Popen(
                self.network.inside(host, *command),
                cwd=cwd,
                env={**self.env, **env},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.started.append(process)
        return process

    def start_consul(self, host):
        data = self.folder / host
        data.mkdir(exist_ok=True)
        settings = {
            "server": True,
            "bootstrap_expect": len(SERVERS),
            "node_name": host,
            "bind_addr": self.network.address(host),
            "client_addr": self.network.address(host),
            "data_dir": str(data),
            "retry_join": [self.network.address(other) for other in SERVERS],
            "retry_interval": "200ms",
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "connect": {"enabled": False},
            "log_level": "warn",
        }
        write_settings(data / "agent.json", settings)
        command = (str(self.binary), "agent", "-config-file", str(data / "agent.json"))
        with (data / "log").open("ab") as log:
            self.consuls[host] = subprocess.Popen(self.network.inside(host, *command), stdout=log, stderr=log)

    def kill_consul(self, host):
        self.consuls[host].kill()
        self.consuls.pop(host).wait()

    def ask(self, host, path):
        """What that Consul server answers, None for nothing or an error."""
        status, body = self.network.get(host, f"http://{self.network.address(host)}:8500{path}")
        return json.loads(body) if status == 200 else None

    def leader(self, asked="s1"):
        address = (self.ask(asked, "/v1/status/leader") or "").partition(":")[0]
        return next((host for host in SERVERS if self.network.address(host) == address), None)

    def entries(self, asked, service):
        """(node, id, address) of each entry that the catalogue has, as this server sees it."""
        found = self.ask(asked, f"/v1/health/service/{service}?stale") or []
        return [(one["Node"]["Node"], one["Service"]["ID"], one["Service"]["Address"]) for one in found]

    def own(self, host):
        """The ids on that agent's own list; None when it does not answer."""
        listed = self.ask(host, "/v1/agent/services")
        return None if listed is None else sorted(listed)


@pytest.fixture
def hosts(tmp_path, consul_binary, project_env):
    if reason := why_not():
        pytest.skip(reason)
    with Network(*SERVERS, "a", "b") as network:
        hosts = Hosts(network, tmp_path, consul_binary, project_env)
        try:
            yield hosts
        finally:
            hosts.end()


def eventually(holds, within_s=20.0):
    """Waits until `holds()` gives something true, and gives that."""
    give_up = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < give_up, f"not within {within_s} s"
        time.sleep(0.1)
    return found


def up(hosts, mesh_up, host, join, *arguments, **env):
    folder = hosts.folder / host
    folder.mkdir(exist_ok=True)
    (folder / "cluster.toml").write_text(PLAN)
    return hosts.start(host, *mesh_up, "--json", "--join", join, *arguments, cwd=folder, **env)


def until(process, event):
    for line in process.stdout:
        said = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"it ended without {event!r}")


def run(hosts, host, *arguments):
    """`mesh ARGUMENTS` on that host: exit code and stdout."""
    command = hosts.network.inside(host, sys.executable, "-m", "mesh.cli.main", *arguments)
    done = subprocess.run(command, cwd=hosts.folder / host, env=hosts.env, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def log_of(hosts, service):
    (path,) = hosts.folder.glob(f"[ab]/.mesh/*/logs/{service}-1.log")
    return path.read_text()


def stop(process):
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    return out


def test_services_of_two_hosts_call_each_other_and_outlive_their_consul_server(hosts, mesh_up):
    for server in SERVERS:
        hosts.start_consul(server)
    first = eventually(hosts.leader)
    others = [server for server in SERVERS if server != first]
    join = ",".join(f"{hosts.network.address(server)}:8500" for server in (first, *others))
    left = up(hosts, mesh_up, "a", join, "--only", "left")
    right = up(hosts, mesh_up, "b", join, "--only", "right", "--advertise", "eth0")
    ready = {"left": until(left, "ready"), "right": until(right, "ready")}
    assert ready["left"]["registry"] == f"consul://{join}"
    ids = {}
    for service, host in (("left", "a"), ("right", "b")):
        ((node, ids[service], address),) = eventually(lambda name=service: hosts.entries(first, name))
        port = ready[service]["services"][service][0]["listen"].rpartition(":")[2]
        assert (node, address) == (first, hosts.network.address(host))
        assert ids[service] == f"{service}-1-{address}-{port}"
    assert hosts.own(first) == sorted(ids.values())

    caller = hosts.start(
        "b", sys.executable, str(FAR_SERVICE), "call", cwd=hosts.folder, MESH_REGISTRY=f"consul://{join}"
    )
    assert caller.stdout.readline() == "calling\n"
    code, out = run(hosts, "a", "call", "right", "Echo::touch", '{"text": "x"}')  # found by a's own state.json
    assert (code, json.loads(out)) == (0, "right x")
    code, out = run(hosts, "a", "list", "--json")
    assert {(one["service"], one["ok"]) for one in json.loads(out)} == {("left", True), ("right", True)}
    admin = ready["left"]["services"]["left"][0]["admin"]
    assert hosts.network.get("s2", f"http://{admin}/health")[0] == 200
    assert hosts.network.get("s2", f"http://{admin}/debug/config")[0] == 403
    assert hosts.network.get("a", f"http://{admin}/debug/config")[0] == 200

    hosts.kill_consul(first)
    second = eventually(lambda: hosts.leader(others[0]) in others and others[0])
    eventually(lambda: hosts.own(second) == sorted(ids.values()))
    for service in ids:  # once each, and not also under the dead one's name
        eventually(lambda name=service: [entry[:2] for entry in hosts.entries(second, name)] == [(second, ids[name])])

    hosts.start_consul(first)  # it remembers them, and is relieved of them
    eventually(lambda: hosts.own(first) == [])
    for service in ids:  # an agent that cannot tell the catalogue at once tries again after 15 to 30 s
        eventually(
            lambda name=service: [entry[:2] for entry in hosts.entries(first, name)] == [(second, ids[name])], 60.0
        )

    report = json.loads(stop(caller))
    assert report["count"] > 100
    assert report["failures"] == []
    for one in (left, right):
        stop(one)
    eventually(lambda: not any(hosts.entries(first, service) for service in ids))
    assert not any("Traceback" in log_of(hosts, service) for service in ids)
