"""The whole city in one process: every service on a node of its own, on a network in memory, with real stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient

import services.dispatch.__main__ as dispatch
import services.drivers.__main__ as drivers
import services.payments.__main__ as payments
import services.pricing.__main__ as pricing
import services.trips.__main__ as trips
from mesh.node import Node
from mesh.testing import LocalMesh
from services.gateway.answering import Gate
from services.gateway.controllers import application
from services.gateway.remote import City as Behind
from services.gateway.server import HttpServer, open_sockets

JOINS = {
    "drivers": drivers.join,
    "payments": payments.join,
    "pricing": pricing.join,
    "dispatch": dispatch.join,
    "trips": trips.join,
}
WITH_DATA = ("drivers", "payments", "trips")


class City:
    """`start(name)` and `stop(name)` a service; its data stay in `data_dir`."""

    def __init__(self, mesh: LocalMesh, data_dir: Path) -> None:
        self.mesh = mesh
        self.data_dir = data_dir
        self.nodes: dict[str, Node] = {}

    async def start(self, *names: str) -> None:
        for name in names or JOINS:
            node = self.nodes[name] = await self.mesh.node(name)
            JOINS[name](node, *([self.data_dir] if name in WITH_DATA else []))
            await node.start()

    async def stop(self, name: str) -> None:
        await self.nodes.pop(name).stop()


async def open_gateway(mesh: LocalMesh, gate: Gate | None = None) -> tuple[HttpServer, Node]:
    """A gateway at a port of the loopback; it closes with the mesh."""
    import random

    from idl import pricing, trips

    node = await mesh.node("gateway")
    gate = gate or Gate()
    behind = Behind(node.client(pricing.Pricing), node.client(trips.Trips))
    server = HttpServer(
        application(behind, gate, random.Random(1)), gate, open_sockets("127.0.0.1:0", None), farewell_s=0
    )
    node.attach(server)
    await node.start()
    return server, node


async def send(
    address: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, JSON and headers of the answer."""
    import json

    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if method == "POST" and content is None:
        content = b""
    client = AsyncHTTPClient(force_instance=True)
    try:
        response = await client.fetch(
            f"http://{address}{path}",
            method=method,
            body=content,
            headers={"Content-Type": "application/json", **(headers or {})},
            raise_error=False,
            allow_nonstandard_methods=True,
        )
    finally:
        client.close()
    return response.code, json.loads(response.body), dict(response.headers)
