"""A node and its callers through real registries: what is registered is found, what leaves is left."""

import asyncio

import pytest

from mesh.errors import UnknownService
from mesh.node import Node
from tests.node.interop import Echo, interop


@pytest.fixture(params=["consul", "file"])
def url(request, tmp_path):
    if request.param == "consul":
        return request.getfixturevalue("consul").url
    return f"file://{tmp_path}/peers.toml"


@pytest.mark.integration
async def test_found_at_the_first_call_and_gone_after_the_last(url):
    async with Node("caller", registry=url, env={}) as caller:
        async with Node("server", registry=url, env={}, settle_ms=50) as server:
            server.serve(interop.Echo, Echo())
            await server.start()
            assert server.health().checks["registered:interop"].ok
            client = caller.client(interop.Echo)
            await found(caller, 1)
            assert await client.touch("x") == "x"
            assert caller._calling.endpoints_of("interop").known
        with pytest.raises(Exception, match="interop"):
            await client.touch("x")
        with pytest.raises(UnknownService, match="nobody"):
            await caller.client(interop.Echo, service="nobody").touch("x")


async def found(caller, count):
    """Waits until `caller` knows `count` instances: the registry tells in its own time."""
    async with asyncio.timeout(20):
        while len(caller._calling.endpoints_of("interop")) < count:
            await asyncio.sleep(0.01)


@pytest.mark.integration
async def test_a_new_instance_is_used_beside_the_old(consul):
    ticks = [Echo(), Echo()]
    async with Node("caller", registry=consul.url, env={}) as caller:
        client = caller.client(interop.Echo)
        nodes = []
        for handler in ticks:
            node = Node("server", registry=consul.url, env={}, settle_ms=50)
            await node.__aenter__()
            nodes.append(node)
            node.serve(interop.Echo, handler)
            await node.start()
            await found(caller, len(nodes))
        while not all(handler.ticks for handler in ticks):
            await client.tick("c")
        for node in nodes:
            await node.stop()
