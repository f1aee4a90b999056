"""`python -m services.gateway`: answers at GATEWAY_HTTP (host:port), or on the socket inherited as MESH_FD_HTTP."""

from __future__ import annotations

import os
import random
import socket

import mesh
from idl import pricing, trips
from mesh.node import Node
from services.gateway.answering import Gate
from services.gateway.controllers import application
from services.gateway.remote import City
from services.gateway.server import HttpServer, open_sockets


def join(node: Node, sockets: list[socket.socket]) -> HttpServer:
    """Puts the gateway together on `node`."""
    gate = Gate()
    city = City(node.client(pricing.Pricing), node.client(trips.Trips))
    server = HttpServer(application(city, gate, random.Random()), gate, sockets)
    node.attach(server)
    return server


async def main() -> None:
    sockets = open_sockets(os.environ.get("GATEWAY_HTTP", "127.0.0.1:8080"), os.environ.get("MESH_FD_HTTP"))
    async with Node("gateway") as node:
        join(node, sockets)
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
