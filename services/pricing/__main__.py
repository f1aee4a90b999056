"""`python -m services.pricing`: registry, addresses and the rest come from the environment (MESH_*)."""

from __future__ import annotations

import time

import mesh
from idl import drivers, pricing
from mesh.node import Node
from services.pricing.controllers import PricingController
from services.pricing.remote import DriversSupply
from services.pricing.service import Pricing


def present_hour() -> int:
    """The hour of the machine's local time: the city's machines stand in the city."""
    return time.localtime().tm_hour


def join(node: Node) -> None:
    """Puts the service together on `node`."""
    rules = Pricing(DriversSupply(node.client(drivers.Drivers)), present_hour)
    node.serve(pricing.Pricing, PricingController(rules))


async def main() -> None:
    async with Node("pricing") as node:
        join(node)
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
