"""The cluster's Consul agent, as an instance like the others: same log, same back-off, same keeper.

One rule: it keeps its ports for the whole run, because its address is what every other process was told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from mesh.cluster import probes
from mesh.cluster.guard import Guard
from mesh.cluster.instance import Launch, Spec
from mesh.cluster.plan import CONSUL_ID
from mesh.cluster.ports import HOST
from mesh.discovery.agent import ConsulUnavailable

DRAIN_S = 5.0  # an agent alone leaves in 50 ms
# Its default is 200 per address, and here all callers have one: every process holds a few long polls.
CONNECTIONS = 8192
_FIND = """
import sys
from mesh.discovery.agent import ConsulUnavailable, find_consul
try:
    print(find_consul())
except ConsulUnavailable as error:
    print(error)
    sys.exit(3)
"""


async def find(guard: Guard) -> Path:
    """The agent's binary, fetched if need be. Raises ConsulUnavailable.

    In a process of its own: a fetch takes a while, blocks, and has children that bear the mark of the run only so.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _FIND),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **guard.mark()},
    )
    try:
        answer = (await child.communicate())[0].decode("utf-8", "replace").strip()
    except asyncio.CancelledError:
        child.kill()
        raise
    if child.returncode != 0:
        raise ConsulUnavailable(answer or "no Consul agent: looking for one failed, see above")
    return Path(answer)


def spec(binary: Path, http: AsyncHTTPClient, folder: Path, name: str) -> Spec:
    """A server agent in memory (`-dev`) on three ports: HTTP, RPC between servers, gossip."""

    def launch(ports: tuple[int, ...]) -> Launch:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / "agent.json"
        settings.write_text(json.dumps(_settings(ports, name), indent=1), encoding="utf-8")
        command = (str(binary), "agent", "-dev", "-config-file", str(settings))
        return Launch(command, dict(os.environ), folder)

    def probe(ports: tuple[int, ...]) -> probes.Probe:
        # The server port in the answer tells our agent from another one that took the HTTP port first.
        return probes.consul(http, url(ports), f"{HOST}:{ports[1]}")

    return Spec(CONSUL_ID, CONSUL_ID, 3, DRAIN_S, launch, probe, has_admin=False)


def url(ports: tuple[int, ...]) -> str:
    """The agent's HTTP side."""
    return f"http://{HOST}:{ports[0]}"


def _settings(ports: tuple[int, ...], name: str) -> dict[str, object]:
    http, server, serf_lan = ports
    return {
        "node_name": name,
        "bind_addr": HOST,
        "client_addr": HOST,
        "ports": {"http": http, "server": server, "serf_lan": serf_lan, "serf_wan": -1, "dns": -1, "grpc": -1},
        "log_level": "warn",
        "disable_update_check": True,  # it would call its vendor
        "connect": {"enabled": False},
        "limits": {"http_max_conns_per_client": CONNECTIONS},
    }
