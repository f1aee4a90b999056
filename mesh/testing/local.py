"""A mesh inside the test: nodes on the in-memory network with a registry of their own. No socket, no process."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, TypeVar

from mesh.contract.typing import ServiceOf
from mesh.errors import MeshError
from mesh.net import Network
from mesh.node import Node
from mesh.testing.fakes import Fake
from mesh.testing.memory import MemoryNetwork
from mesh.testing.registry import MemoryRegistry

C = TypeVar("C")
H = TypeVar("H")


class LocalMesh:
    """`async with LocalMesh() as mesh`. Everything that is made here is closed with it, newest first.

    `network` may also be a `TcpNetwork`, so that one suite runs over both.
    """

    def __init__(self, network: Network | None = None, seed: int = 1) -> None:
        self.network: Network = network or MemoryNetwork()
        self.registry = MemoryRegistry()
        self._rng = random.Random(seed)
        self._nodes: list[Node] = []
        self._caller: Node | None = None
        self._fakes: list[Fake] = []

    async def __aenter__(self) -> LocalMesh:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        while self._nodes:
            await self._nodes.pop().stop()
        mistakes = [mistake for each in self._fakes for mistake in each.mistakes]
        # The service under test may have caught what a fake raised; the test is wrong all the same.
        if mistakes and (kind is None or issubclass(kind, MeshError)):
            raise AssertionError("; ".join(mistakes))

    async def node(self, name: str, **settings: Any) -> Node:
        """An opened node, not started, without an admin side and without the waits that real callers need."""
        settings = {"admin": "off", "settle_ms": 0, "env": {}, **settings}
        node = Node(
            name,
            registry=self.registry,
            network=self.network,
            rng=random.Random(self._rng.getrandbits(64)),
            **settings,
        )
        await node.__aenter__()
        self._nodes.append(node)
        return node

    async def serve(self, contract: type[ServiceOf[C, H]], handler: H, *, name: str | None = None) -> Node:
        """A started node that serves `contract` with `handler`."""
        if isinstance(handler, Fake):
            self._fakes.append(handler)
        node = await self.node(name or f"test-{contract.__name__.lower()}")
        node.serve(contract, handler, name=name)
        await node.start()
        return node

    async def client(self, contract: type[ServiceOf[C, H]], *, peers: Iterable[str] | None = None) -> C:
        """A client in a node of its own, called `test`."""
        if self._caller is None:
            self._caller = await self.node("test")
        return self._caller.client(contract, peers=peers)
