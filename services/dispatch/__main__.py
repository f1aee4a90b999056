"""`python -m services.dispatch`."""

from __future__ import annotations

import mesh
from idl import dispatch, drivers
from mesh.node import Node
from services.dispatch.controllers import DispatchController
from services.dispatch.remote import DriversFleet


def join(node: Node) -> None:
    """Puts the service together on `node`."""
    node.serve(dispatch.Dispatch, DispatchController(DriversFleet(node.client(drivers.Drivers))))


async def main() -> None:
    async with Node("dispatch") as node:
        join(node)
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
