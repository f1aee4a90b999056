"""The pytest plugin of thriftmesh: fixtures for testing services without sockets, and with a real Consul.

`memory_mesh` is a mesh inside the test. Async tests need a runner of their own (pytest-asyncio), or the decorator
`mesh.testing.virtual_time`, which runs them in virtual time.
"""

from __future__ import annotations

import pytest

from mesh.testing.consul import consul, consul_agent, consul_binary
from mesh.testing.local import LocalMesh

__all__ = ["consul", "consul_agent", "consul_binary", "memory_mesh"]


@pytest.fixture
def memory_mesh() -> LocalMesh:
    """A `LocalMesh` to be entered by the test: `async with memory_mesh as mesh`."""
    return LocalMesh()
