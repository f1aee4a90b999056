"""A real Consul for tests: one agent per pytest process (so each xdist worker has its own), emptied after every test.

One rule: a test that asks for Consul gets Consul or fails. Only who says so (THRIFTMESH_NO_CONSUL=1) has it skipped.

    async def test_found(consul: ConsulSpace) -> None:
        async with Node("pricing", registry=consul.url) as node: ...

A test that kills or stops its agent starts its own `ConsulAgent` from the fixture `consul_binary`.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mesh.discovery.agent import ConsulUnavailable, find_consul
from mesh.discovery.agent_process import ConsulAgent

NO_CONSUL = "THRIFTMESH_NO_CONSUL"
_REQUEST_TIMEOUT_S = 5.0


class ConsulSpace:
    """What one test sees of the agent. Its requests block for about a millisecond each."""

    def __init__(self, agent: ConsulAgent) -> None:
        self.agent = agent
        self.url = agent.url
        self.prefix = f"test-{uuid.uuid4().hex[:8]}/"

    def put(self, key: str, value: bytes) -> None:
        """Writes one key."""
        self._request("PUT", f"/v1/kv/{quote(key)}", value)

    def delete(self, key: str) -> None:
        """Removes one key."""
        self._request("DELETE", f"/v1/kv/{quote(key)}")

    def service_ids(self) -> set[str]:
        """What is registered with the agent."""
        return set(self._request("GET", "/v1/agent/services"))

    def deregister(self, service_id: str) -> None:
        """Takes out an entry behind its owner's back."""
        self._request("PUT", f"/v1/agent/service/deregister/{quote(service_id, safe='')}")

    def clear(self) -> None:
        """Removes every service and every key."""
        for service_id in self.service_ids():
            self.deregister(service_id)
        self._request("DELETE", "/v1/kv/?recurse=true")

    def _request(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.http_port, timeout=_REQUEST_TIMEOUT_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"Consul answered {response.status} to {method} {path}: {text[:200]!r}")
            return json.loads(text) if text.strip() else None
        finally:
            connection.close()


@pytest.fixture(scope="session")
def consul_binary() -> Path:
    """The path of a Consul binary that runs here, fetched if need be."""
    return require_consul()


def require_consul() -> Path:
    """Finds Consul, or ends the test: failed, or skipped where somebody said so."""
    if os.environ.get(NO_CONSUL) == "1":
        pytest.skip(f"{NO_CONSUL}=1")
    try:
        return find_consul()
    except ConsulUnavailable as error:
        pytest.fail(f"{error} Or set {NO_CONSUL}=1 to skip what needs it.", pytrace=False)


@pytest.fixture(scope="session")
def consul_agent(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulAgent]:
    """The agent of this pytest process, on ports of its own."""
    agent = ConsulAgent(consul_binary, tmp_path_factory.mktemp("consul"))
    _run(agent.start())
    yield agent
    _run(agent.stop())


@pytest.fixture
def consul(consul_agent: ConsulAgent) -> Iterator[ConsulSpace]:
    """An empty Consul for one test."""
    if not consul_agent.running:
        _run(consul_agent.start())
    space = ConsulSpace(consul_agent)
    yield space
    if consul_agent.running:
        space.clear()


def _run(start_or_stop: Any) -> None:
    """In a loop that nobody else sees: `asyncio.run` would leave the tests' thread without its event loop."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(start_or_stop)
    finally:
        loop.close()
