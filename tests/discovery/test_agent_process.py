"""A Consul agent of our own: where it listens, how it ends, what a restart remembers. Real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mesh.discovery.agent_process import PORTS, STOP_TIMEOUT_S, ConsulAgent
from mesh.testing.consul import ConsulSpace
from mesh.testing.leaks import no_leaks
from tests.discovery.conftest import eventually

pytestmark = pytest.mark.integration


def addresses(pid: int) -> list[tuple[str, int]]:
    connections = psutil.Process(pid).net_connections()
    return sorted((one.laddr.ip, one.laddr.port) for one in connections if one.status == "LISTEN" or not one.raddr)


async def test_it_listens_on_loopback_only_and_ends_in_order(consul_binary: Path, tmp_path: Path) -> None:
    async with no_leaks():
        async with ConsulAgent(consul_binary, tmp_path, name="ours") as agent:
            assert agent.url == f"consul://127.0.0.1:{agent.http_port}"
            assert agent.pid is not None
            pid = agent.pid
            listening = addresses(pid)
            assert {ip for ip, _ in listening} == {"127.0.0.1"}
            assert all(PORTS[0] <= port < PORTS[1] for _, port in listening)
            assert stat.S_IMODE((tmp_path / "agent.json").stat().st_mode) == 0o600
            await agent.start()  # it runs already
            assert agent.pid == pid
        assert not psutil.pid_exists(pid)
        assert agent.pid is None
        await agent.stop()


async def test_a_restart_in_memory_keeps_the_ports_and_forgets_the_rest(consul_binary: Path, tmp_path: Path) -> None:
    async with ConsulAgent(consul_binary, tmp_path) as agent:
        url = agent.url
        ConsulSpace(agent).put("a", b"1")
        agent.kill()
        assert not agent.running
        await agent.start()
        assert agent.url == url
        with pytest.raises(RuntimeError, match="404"):
            ConsulSpace(agent)._request("GET", "/v1/kv/a")


async def test_with_a_data_folder_a_restart_remembers(consul_binary: Path, tmp_path: Path) -> None:
    async with ConsulAgent(consul_binary, tmp_path, dev=False) as agent:
        ConsulSpace(agent).put("a", b"1")
        await agent.stop()
        await agent.start()
        assert ConsulSpace(agent)._request("GET", "/v1/kv/a")[0]["Key"] == "a"


async def test_a_stopped_agent_still_ends(consul_binary: Path, tmp_path: Path) -> None:
    agent = ConsulAgent(consul_binary, tmp_path)
    await agent.start()
    assert agent.pid is not None
    os.kill(agent.pid, signal.SIGSTOP)
    async with asyncio.timeout(STOP_TIMEOUT_S - 0.5):  # it was woken to end in order, not waited for and killed
        await agent.stop()
    assert not agent.running


async def test_a_port_that_is_taken_is_told(consul_binary: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        agent = ConsulAgent(consul_binary, tmp_path, http_port=other.getsockname()[1])
        with pytest.raises(RuntimeError, match="already in use"):
            await agent.start()
    assert not agent.running


async def test_a_bad_configuration_is_told_at_once(consul_binary: Path, tmp_path: Path) -> None:
    agent = ConsulAgent(consul_binary, tmp_path, config={"no_such_setting": 1})
    with pytest.raises(RuntimeError, match="no_such_setting"):
        await agent.start()
    assert not agent.running


async def test_it_dies_with_its_parent(consul_binary: Path, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom mesh.discovery.agent_process import ConsulAgent\n"
        "async def main():\n"
        "    agent = ConsulAgent(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "    await agent.start()\n"
        "    print(agent.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, consul_binary, tmp_path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert psutil.pid_exists(pid)
        parent.kill()
        parent.wait()
        try:
            await eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)  # a test that fails leaves nothing behind either
            raise


async def test_a_cancelled_start_leaves_no_process(consul_binary: Path, tmp_path: Path) -> None:
    agent = ConsulAgent(consul_binary, tmp_path)
    starting = asyncio.create_task(agent.start())
    await eventually(lambda: agent.running, every_s=0)
    pid = agent.pid
    assert pid is not None
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not psutil.pid_exists(pid)
