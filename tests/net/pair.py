"""A server and a client joined by a network, with methods whose bodies are plain bytes: no contract, no node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from mesh.balance import Endpoint, EndpointSet, RoundRobin
from mesh.call import Call, LoopClock, Reply, TimerWheel
from mesh.contract.model import Method, Policy
from mesh.filters import CallMetrics
from mesh.net import Dispatcher, Link, Links, Network, Peers, Route, sender
from mesh.stacks import client_stack, server_stack
from mesh.wire import Identity, Limits

Leaf = Callable[[Call], Awaitable[Reply]]


class BytesCodec:
    """Bodies as they are."""

    def decode_result(self, data: bytes) -> bytes:
        return data

    def decode_exception(self, data: bytes) -> Any:
        raise NotImplementedError


def method(name: str = "echo", **policy: Any) -> Method:
    wire_name = f"Echo::{name}"
    return Method("Echo", name, wire_name, "interop", (), "binary", (), False, Policy(**policy), BytesCodec())


class Pair:
    """`async with Pair(network, leaf) as pair`: `await pair.call(b"...")`."""

    def __init__(
        self, network: Network, leaf: Leaf, *, limits: Limits | None = None, max_incoming: int = 10_000, **policy: Any
    ) -> None:
        self.network = network
        self.limits = limits or Limits()
        self.clock = LoopClock()
        self.wheel = TimerWheel(self.clock)
        self.rng = random.Random(7)
        self.method = method(**policy)
        self.routes: dict[tuple[str, bytes], Route] = {}
        self.served = CallMetrics("rpc_server")
        self.called = CallMetrics("rpc_client")
        server = server_stack(clock=self.clock, wheel=self.wheel, rng=self.rng, calls=self.served)
        self.routes["interop", b"Echo::echo"] = Route(self.method, server.build("interop", self.method, leaf))
        self.dispatcher = Dispatcher(self.routes, self.clock, self.wheel)
        self.links = Links(max_incoming)
        self.peers = Peers(network, lambda: self.link(dialler=True))
        self.endpoints = EndpointSet("interop", "test")

    def link(self, *, dialler: bool) -> Link:
        return Link(
            dialler=dialler,
            local=Identity("0.0.0.0:0" if dialler else "127.0.0.1:1", "test", {}),
            limits=self.limits,
            clock=self.clock,
            inbound=None if dialler else self.dispatcher,
            owner=self.links,
        )

    async def __aenter__(self) -> Pair:
        self.listener = await self.network.listen("127.0.0.1:0", lambda: self.link(dialler=False))
        self.endpoints.update([Endpoint(self.listener.address)])
        self.stack = client_stack(
            clock=self.clock,
            wheel=self.wheel,
            rng=self.rng,
            calls=self.called,
            attempts=CallMetrics("rpc_client_attempt"),
            endpoints_of=lambda _: self.endpoints,
            balancer=RoundRobin(self.clock, self.rng),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.listener.close()
        await self.peers.close("the test is over")
        for link in self.links:
            link.close("the test is over")
        self.wheel.close()
        await asyncio.sleep(0)

    async def call(self, body: bytes = b"", of: Method | None = None, service: str = "interop", **fields: Any) -> Reply:
        called = of or self.method
        stack = self.stack.build(service, called, sender(self.peers, called, self.clock))
        return await stack(Call(called, body, service=service, caller="test", **fields))
