"""`mesh up --join` on one machine: tokens, refusals, names, programs that enter themselves nowhere."""

import json
import subprocess
import urllib.request

import pytest

from mesh.discovery.agent_process import ConsulAgent
from tests.cluster.test_join import eventually, stop, until

pytestmark = pytest.mark.integration

TOKEN = "5f7a3c52-9d6e-4b1f-8a2e-0c4d1e9b7f60"
PLAN = """
[services.shop]
command = ["{python}", "FAKE"]
ready = "tcp"
register = true
"""


@pytest.fixture
async def guarded(consul_binary, tmp_path):
    """An agent that answers whoever has the token."""
    acl = {"acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": TOKEN, "agent": TOKEN}}}
    async with ConsulAgent(consul_binary, tmp_path / "agent", config=acl) as agent:
        yield agent


@pytest.fixture
def join(tmp_path, mesh_up, project_env):
    """`join(folder, agent, *arguments)`: `mesh up --join` there; killed at the end."""
    started = []

    def start(name, address, *arguments, dot_env=""):
        folder = tmp_path / name
        folder.mkdir()
        fake = str(tmp_path.__class__(__file__).parent / "fake_node.py")
        (folder / "cluster.toml").write_text(PLAN.replace("FAKE", fake))
        (folder / ".env").write_text(dot_env)
        started.append(
            subprocess.Popen(
                [*mesh_up, "--json", "--join", address, *arguments],
                cwd=folder,
                env=project_env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def entries(agent):
    """The instances that Consul has, with the health that it gives them."""
    request = urllib.request.Request(f"{agent.http_url}/v1/health/service/shop", headers={"X-Consul-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=5) as answer:
        found = json.load(answer)
    return {one["Service"]["ID"]: {check["Name"]: check["Status"] for check in one["Checks"]} for one in found}


async def test_two_clusters_of_one_machine_share_a_consul_that_asks_for_a_token(guarded, join):
    address = f"127.0.0.1:{guarded.http_port}"
    both = [join(name, address, dot_env=f"MESH_CONSUL_TOKEN={TOKEN}\n") for name in ("one", "two")]
    ports = [until(one, "ready")["services"]["shop"][0]["listen"].rpartition(":")[2] for one in both]
    expected = {f"shop-1-127.0.0.1-{port}" for port in ports}
    assert len(expected) == 2  # two hosts' first instances, and neither takes the other's place
    eventually(lambda: set(entries(guarded)) == expected)
    # A program that says nothing of its health is asked for a connection: its machine may lose its power.
    eventually(lambda: all("passing" in checks.values() for checks in entries(guarded).values()))
    assert all(len(checks) == 2 for checks in entries(guarded).values())  # the node's, and its own
    for one in both:
        assert TOKEN not in stop(one)
    assert entries(guarded) == {}


async def test_a_consul_that_does_not_take_the_token_ends_it_at_once(guarded, join):
    one = join("one", f"127.0.0.1:{guarded.http_port}", dot_env=f"MESH_CONSUL_TOKEN={TOKEN[:-1]}1\n")
    out, err = one.communicate(timeout=30)
    assert one.returncode != 0
    assert "cannot join the Consul at consul://127.0.0.1:" in err
    assert "permission denied" in err
    assert "MESH_CONSUL_TOKEN" in err
    assert TOKEN[:-1] not in out + err


def test_a_consul_that_is_not_there_is_told_with_each_ones_reason(join):
    one = join("one", "127.0.0.1:1,127.0.0.1:2")
    _, err = one.communicate(timeout=30)
    assert one.returncode != 0
    assert "127.0.0.1:1: " in err
    assert "127.0.0.1:2: " in err
    assert "Is it up" in err
