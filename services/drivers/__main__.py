"""`python -m services.drivers`: its database is `drivers.db` in MESH_DATA_DIR, filled from the zones' file when new."""

from __future__ import annotations

import os
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


async def main() -> None:
    city = City(load_zones())
    path = Path(os.environ.get("MESH_DATA_DIR", ".mesh/data")) / "drivers.db"
    async with Store.open(path, owner="drivers", migrations=MIGRATIONS) as store, Node("drivers") as node:
        async with store.tx() as tx:
            await SqlFleet(tx).hire(city.drivers())
        node.serve(drivers.Drivers, DriversController(store, city))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
