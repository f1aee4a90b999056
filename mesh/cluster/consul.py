"""The cluster's Consul: an agent of its own, as an instance like the others, or one that others run (`Joined`).

One rule: its address stays for the whole run, because every other process was told it. An agent of our own keeps its
ports over restarts.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient

from mesh.cluster import place, probes
from mesh.cluster.guard import Guard
from mesh.cluster.instance import Launch, Spec
from mesh.cluster.place import Place, PlaceError
from mesh.cluster.plan import CONSUL_ID, ClusterConfig, ConsulConfig
from mesh.cluster.ports import HOST
from mesh.cluster.rundir import ClusterError
from mesh.config import ConfigError, load
from mesh.discovery import Registry, RegistryError, open_registry
from mesh.discovery.address import format_address
from mesh.discovery.agent import ConsulUnavailable
from mesh.discovery.agent_process import agent_settings, write_settings
from mesh.discovery.open import TOKEN_ENVS, consul_addresses, token_for

DRAIN_S = 5.0  # an agent alone leaves in 50 ms
TOKEN_VARIABLES = ("MESH_TOKEN", "MESH_TOKEN_FILE", "MESH_CONFIG")  # where a node's own token comes from
JOIN_S = 15.0  # three servers, two of them away: each costs the 2 s of a connection or the 5 s of an answer
_ADVICE = "Is it up, is this its HTTP address, and is the token (MESH_CONSUL_TOKEN) good for it?"
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
        write_settings(settings, _settings(ports, name))
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
    return agent_settings(name, dict(zip(("http", "server", "serf_lan"), ports, strict=True)))


@dataclass(frozen=True, slots=True)
class Joined:
    """A shared Consul: the registry's URL (it may name a token's file, and never holds a token), and our place."""

    url: str
    place: Place


async def join(plan: ClusterConfig, directory: Path, http: AsyncHTTPClient) -> Joined:
    """Finds out how this machine is seen from there, and that Consul takes us. Raises ClusterError, ConfigError.

    `plan.advertise` is an address, an interface or empty: then it is the address that the way to Consul begins at;
    beside a local agent, the one that the agent itself is known under.
    """
    url, advertise = url_of(plan.consul, directory), plan.advertise
    addresses = consul_addresses(urlsplit(url).netloc)
    try:
        async with asyncio.timeout(JOIN_S), open_with_token(url, plan.env) as registry:
            await registry.services()
    except ValueError as error:
        raise ConfigError(f"consul.join: {error}") from None
    except (RegistryError, TimeoutError) as error:
        reason = str(error) or f"no answer within {JOIN_S:g} s"
        raise ClusterError(f"cannot join the Consul at {shown(url)}: {reason}. {_ADVICE}") from None
    try:
        if advertise:
            return Joined(url, place.at(place.address_of(advertise)))
        found = await place.route_to(addresses)
        if ipaddress.ip_address(found).is_loopback:
            found = await _known_as(url, plan.env, http) or found
        return Joined(url, place.at(found))
    except PlaceError as error:
        raise ClusterError(f"which address to advertise? {error}; --advertise ADDRESS or INTERFACE says it") from None


def open_with_token(url: str, env: Mapping[str, str]) -> Registry:
    """The registry with the token of this process's environment, else of the plan's `env` (see docs/configuration.md).

    Raises ConfigError.
    """
    return open_registry(url, token=_configured_token(env))


def _configured_token(env: Mapping[str, str]) -> str | None:
    around = {**env, **os.environ}
    token = load(None, {name: around[name] for name in TOKEN_VARIABLES if name in around}).token
    return token.reveal() if token else env.get(TOKEN_ENVS[0])


def url_of(config: ConsulConfig, directory: Path) -> str:
    """The registry's URL for `consul.join`. Raises ConfigError."""
    schemes, hosts = set(), []
    for text in config.join:
        scheme, separator, rest = text.rpartition("://")
        schemes.add(scheme if separator else "http")
        hosts.append(rest.rstrip("/"))
    if len(schemes) != 1 or not schemes <= {"http", "https"}:
        raise ConfigError(f"consul.join: http:// or https://, the same for all; got {', '.join(sorted(schemes))}")
    try:
        names = ",".join(format_address(*address) for address in consul_addresses(",".join(hosts)))
    except ValueError as error:
        raise ConfigError(f"consul.join: {error}") from None
    files = {"token_file": config.token_file, "ca_file": config.ca_file}
    options = urlencode({name: str(directory / path) for name, path in files.items() if path}, safe="/")
    return ("consul+https://" if schemes == {"https"} else "consul://") + names + (f"?{options}" if options else "")


def shown(url: str) -> str:
    """Without its options: they are nobody's business."""
    return url.partition("?")[0]


async def _known_as(url: str, env: Mapping[str, str], http: AsyncHTTPClient) -> str:
    """The address of a local agent in its own cluster; empty when it does not say, or is alone in it."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "consul+https" else "http"
    host, port = consul_addresses(parts.netloc)[0]
    token = token_for(url, _configured_token(env))
    headers = {"X-Consul-Token": token} if token else {}
    code, body = await probes.fetch(http, f"{scheme}://{format_address(host, port)}/v1/agent/self", headers)
    try:
        address = str(json.loads(body)["Member"]["Addr"]) if code == 200 else ""
        return "" if not address or ipaddress.ip_address(address).is_loopback else address
    except (ValueError, KeyError, TypeError):
        return ""
