"""A cluster of real processes: start, readiness, crashes, restarts, stop."""

import asyncio
import gc
import json
import os
import signal
import socket

import psutil
import pytest

from mesh.cluster import ClusterError, State
from mesh.cluster.keeper import MARK
from mesh.discovery import open_registry

pytestmark = pytest.mark.integration


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ask(address):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        return connection.makefile().readline().split()


async def reaches(cluster, id, state, timeout_s=10):
    await cluster.until(lambda: cluster.instance(id).state is state, timeout_s)


async def eventually(condition):
    """For what no event tells: another process' file, a pid."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_every_instance_gets_its_own_ports_and_the_contract(start):
    cluster = await start(alpha={"instances": 2}, beta={"ready": "tcp", "env": {"COLOUR": "red"}})
    await cluster.ready(20)
    assert [one.id for one in cluster.instances] == ["alpha-1", "alpha-2", "beta-1"]
    assert len({port for one in cluster.instances for port in one.ports}) == 6
    assert ask(cluster.instance("alpha-2").listen)[0] == "alpha-2"
    beta = cluster.instance("beta-1")
    environ = psutil.Process(beta.pid).environ()
    assert environ["MESH_NAME"] == "beta"
    assert environ["MESH_LISTEN"] == beta.listen
    assert environ["MESH_ADMIN"] == beta.admin
    assert environ["MESH_REGISTRY"] == cluster.registry
    assert environ["MESH_REGISTRY"].startswith("file:///")
    assert environ["MESH_DATA_DIR"].endswith(".mesh/test/data/beta")
    assert environ["COLOUR"] == "red"
    assert cluster.run_id in environ[MARK]


async def test_the_state_file_follows(start):
    cluster = await start(alpha={"shared_ports": ["http"]})
    await cluster.ready(20)
    state = json.loads(cluster.state_file.read_text())
    one = cluster.instance("alpha-1")
    assert (state["name"], state["pid"], state["consul"]) == ("test", os.getpid(), None)
    assert state["registry"] == cluster.registry
    assert state["services"]["alpha"] == [
        {"id": "alpha-1", "pid": one.pid, "listen": one.listen, "admin": one.admin, "state": "ready", "restarts": 0}
    ]
    assert state["shared"] == cluster.shared


async def test_instances_share_a_port_that_outlives_each_of_them(start):
    cluster = await start(door={"instances": 2, "shared_ports": ["http"]})
    await cluster.ready(20)
    at = cluster.shared["door"]["http"]
    seen = set()
    async with asyncio.timeout(10):
        while len(seen) < 2:  # the kernel gives a connection to whoever accepts first
            seen.add((await asyncio.to_thread(ask, at))[0])
    await cluster.stop_instance("door-1")
    assert {(await asyncio.to_thread(ask, at))[0] for _ in range(5)} == {"door-2"}
    await cluster.kill("door-2", hold=True)
    waiting = asyncio.create_task(asyncio.to_thread(ask, at))  # connects although nobody is there
    await cluster.start_instance("door-1", 20)
    assert (await waiting)[0] == "door-1"


async def test_a_crash_is_restarted_on_the_same_ports(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    one = cluster.instance("alpha-1")
    pid, ports = one.pid, one.ports
    changes = []
    cluster.subscribe(changes.append)
    await cluster.kill("alpha-1")
    await reaches(cluster, "alpha-1", State.READY)
    assert (one.restarts, one.ports) == (1, ports)
    assert one.pid != pid
    assert [change.state for change in changes] == [State.BACKOFF, State.STARTING, State.READY]
    assert "SIGKILL" in changes[0].detail
    assert changes[0].tail == (f"fake: alpha-1 serves on {one.listen}",)


async def test_one_that_always_crashes_is_given_up_visibly_and_can_be_tried_again(start):
    cluster = await start(bad={"env": {"FAKE_CRASH": "always"}}, good={})
    with pytest.raises(ClusterError) as caught:
        await cluster.ready(20)
    for part in ("bad-1 is failed", "exit code 3", "given up after 4 crashes", "fake: about to crash", "bad-1.log"):
        assert part in str(caught.value)
    await reaches(cluster, "good-1", State.READY)
    assert cluster.instance("bad-1").restarts == 3
    with pytest.raises(ClusterError):
        await cluster.start_instance("bad-1", 20)
    assert cluster.instance("bad-1").restarts == 6


async def test_a_command_that_does_not_exist_says_so(start):
    cluster = await start(typo={"command": ["./no-such-program"]}, lost={"cwd": "no-such-folder"})
    with pytest.raises(ClusterError):
        await cluster.ready(20)
    await reaches(cluster, "typo-1", State.FAILED)
    await reaches(cluster, "lost-1", State.FAILED)
    assert cluster.instance("typo-1").tail() == ["cannot run ./no-such-program: No such file or directory"]
    assert "no-such-folder" in cluster.instance("lost-1").detail


async def test_not_ready_in_time_says_what_the_instance_answered(start):
    cluster = await start(slow={"env": {"FAKE_READY_AFTER_S": "60"}})
    with pytest.raises(ClusterError, match=r"(?s)not ready after 1 s.*slow-1 is starting: .*answers 503"):
        await cluster.ready(1)


async def test_one_that_becomes_unready_is_shown_and_not_restarted(start, tmp_path):
    flag = tmp_path / "unready"
    cluster = await start(alpha={"env": {"FAKE_UNREADY_FILE": str(flag)}})
    await cluster.ready(20)
    flag.touch()
    await reaches(cluster, "alpha-1", State.UNREADY)
    flag.unlink()
    await reaches(cluster, "alpha-1", State.READY)
    assert cluster.instance("alpha-1").restarts == 0


async def test_restart_stop_start_and_one_more(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    one = cluster.instance("alpha-1")
    first = one.pid
    await cluster.restart_instance("alpha-1")
    assert one.state is State.READY
    assert one.pid not in (0, first)
    assert not alive(first)
    await cluster.stop_instance("alpha-1")
    assert (one.state, one.pid) == (State.STOPPED, 0)
    await cluster.ready(1)  # as it was wanted
    assert await cluster.add_instance("alpha") == "alpha-2"
    assert cluster.instance("alpha-2").state is State.READY
    await cluster.start_instance("alpha-1")
    assert one.state is State.READY
    with pytest.raises(LookupError, match="alpha-1, alpha-2"):
        await cluster.kill("alpha-9")


async def test_stopped_while_it_waits_to_be_restarted(start):
    cluster = await start(alpha={"env": {"FAKE_CRASH": "always"}})
    await reaches(cluster, "alpha-1", State.BACKOFF)
    await cluster.stop_instance("alpha-1")
    assert cluster.instance("alpha-1").state is State.STOPPED


async def test_who_ignores_sigterm_is_killed_after_its_drain_time(start):
    cluster = await start(deaf={"drain_s": 0.2, "env": {"FAKE_IGNORE_TERM": "1"}})
    await cluster.ready(20)
    pid = cluster.instance("deaf-1").pid
    await cluster.stop_instance("deaf-1")
    assert not alive(pid)


LEAVES_CHILDREN = "trap '' TERM; setsid sleep 60 & echo $! >>pids; sleep 60 & echo $! >>pids; wait"


async def test_what_a_crashed_instance_leaves_behind_is_killed(start, tmp_path):
    cluster = await start(alpha={"env": {"FAKE_CHILD": LEAVES_CHILDREN}})
    await cluster.ready(20)
    pids = tmp_path / "pids"
    await eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    children = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, children))
    changes = []
    cluster.subscribe(changes.append)
    os.kill(cluster.instance("alpha-1").pid, signal.SIGKILL)  # only itself
    await reaches(cluster, "alpha-1", State.BACKOFF)
    assert not any(map(alive, children))
    assert "left behind were killed" in changes[0].detail


async def test_a_dead_keeper_is_replaced_and_told_everything(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    first = cluster.state()["keeper"]
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: cluster.state()["keeper"] != first)
    assert alive(cluster.state()["keeper"])


async def test_the_stop_takes_everything_and_the_doors_first(start, tmp_path):
    from mesh.cluster import Cluster

    outer = await start(inner={}, door={"shared_ports": ["http"]})
    await outer.ready(20)
    order = []
    outer.subscribe(lambda change: order.append((change.id, change.state)))
    pids = [one.pid for one in outer.instances] + [outer.state()["keeper"]]
    assert isinstance(outer, Cluster)
    await outer._stop()  # what leaving the context does first; the fixture leaves it again
    stopped = [id for id, state in order if state is State.STOPPED]
    assert stopped == ["door-1", "inner-1"]
    assert not any(map(alive, pids[:-1]))


async def test_one_that_registers_nowhere_is_entered_while_it_is_ready(start):
    cluster = await start(legacy={"ready": "tcp", "register": True}, other={})
    await cluster.ready(20)
    one = cluster.instance("legacy-1")
    async with open_registry(cluster.registry) as registry:
        watch = registry.watch("legacy")
        listed = []
        watch.subscribe(lambda instances: listed.append([entry.address for entry in instances]))
        await eventually(lambda: listed[-1] == [one.listen])
        await cluster.kill("legacy-1", hold=True)
        await eventually(lambda: listed[-1] == [])
        await cluster.start_instance("legacy-1")
        await eventually(lambda: listed[-1] == [one.listen])
        assert "other" not in await registry.services()
        watch.close()


METRICS = """
rpc_server_calls_total{caller="a",service="alpha",method="A::b",outcome="ok"} SCRAPES
rpc_server_latency_seconds_bucket{service="alpha",method="A::b",le="0.1"} SCRAPES
rpc_server_latency_seconds_bucket{service="alpha",method="A::b",le="+Inf"} SCRAPES
"""


async def test_the_figures_of_an_instance(start, monkeypatch):
    monkeypatch.setattr("mesh.cluster.usage.INTERVAL_S", 0.05)
    cluster = await start(alpha={"env": {"FAKE_METRICS": METRICS}}, foreign={"env": {"FAKE_METRICS": "<html>"}})
    await cluster.ready(20)
    usage = cluster.instance("alpha-1").usage
    await eventually(lambda: usage.calls_per_s and usage.p99_ms and usage.cpu is not None and usage.rss_bytes)
    assert usage.p99_ms == pytest.approx(99)
    assert usage.rss_bytes > 1_000_000
    other = cluster.instance("foreign-1").usage
    await eventually(lambda: other.rss_bytes)
    assert other.p99_ms is None


async def test_an_instance_that_ends_while_it_is_asked_leaves_no_complaint(start, caplog):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    cluster = await start(gone={"command": ["sh", "-c", "sleep 0.11"], "instances": 4})
    await cluster.until(lambda: all(one.state is State.FAILED for one in cluster.instances), 20)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
    assert caplog.text == ""
