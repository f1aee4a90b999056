"""`python -m services.drivers`: its database is `drivers.db` in MESH_DATA_DIR, filled from the zones' file when new."""

from __future__ import annotations

from pathlib import Path

import mesh
from idl import drivers
from mesh.node import Node
from mesh.store import Store
from services.drivers.controllers import DriversController
from services.drivers.service.supply import City
from services.drivers.store.fleet import SqlFleet
from services.drivers.store.zones import load_zones

MIGRATIONS = Path(__file__).parent / "migrations"


async def hire(store: Store, city: City) -> None:
    async with store.tx() as tx:
        await SqlFleet(tx).hire(city.drivers())


def join(node: Node, data_dir: Path) -> None:
    """Puts the service together on `node`."""
    city = City(load_zones())
    store = node.attach(Store.open(data_dir / "drivers.db", owner="drivers", migrations=MIGRATIONS))
    node.on_start(lambda: hire(store, city))
    node.serve(drivers.Drivers, DriversController(store, city))


async def main() -> None:
    async with Node("drivers") as node:
        join(node, node.config.data_dir or Path(".mesh/data"))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
