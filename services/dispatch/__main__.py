"""`python -m services.dispatch`."""

from __future__ import annotations

import mesh
from idl import dispatch, drivers
from mesh.node import Node
from services.dispatch.controllers import DispatchController
from services.dispatch.remote import DriversFleet


async def main() -> None:
    async with Node("dispatch") as node:
        node.serve(dispatch.Dispatch, DispatchController(DriversFleet(node.client(drivers.Drivers))))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
