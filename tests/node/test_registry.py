"""A node and its callers through real registries: what is registered is found, what leaves is left."""

import asyncio

import pytest

from mesh.call import LoopClock
from mesh.contract import service_of
from mesh.discovery import RegistryError
from mesh.discovery.static_registry import StaticRegistry
from mesh.errors import UnknownService
from mesh.net import split_address
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


class Unwatchable(StaticRegistry):
    """A registry that takes no more watches, until it does."""

    full = True

    def watch(self, service):
        if self.full:
            raise RegistryError(f"{self.url}: 400 watches are open, more are not allowed; close some")
        return super().watch(service)


async def test_a_registry_that_will_not_be_watched_fails_the_call_and_not_the_client():
    async with Node("server", listen="127.0.0.1:0", admin="off", env={}) as server:
        server.serve(interop.Echo, Echo())
        await server.start()
        registry = Unwatchable("static://x", (split_address(server.address),), clock=LoopClock())
        async with Node("caller", registry=registry, env={}) as caller:
            client = caller.client(interop.Echo)
            with pytest.raises(UnknownService, match="400 watches are open.*; close some; it knows"):
                await client.touch("x")
            reply = await caller.call(service_of(interop.Echo).methods["touch"], ("x",), service="other")
            assert isinstance(reply.outcome, UnknownService)
            registry.full = False
            assert await client.touch("x") == "x"
            assert len(caller._calling._watches) == 1
            assert await client.touch("y") == "y"
            assert len(caller._calling._watches) == 1
