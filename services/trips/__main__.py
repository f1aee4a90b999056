"""`python -m services.trips`: its database is `trips.db` in MESH_DATA_DIR."""

from __future__ import annotations

import time
from pathlib import Path

import mesh
from idl import dispatch, payments, pricing, trips
from mesh.node import Node
from mesh.store import Store
from services.trips.controllers import TripsController
from services.trips.remote import PricingFares, RemoteDispatch, RemotePayments
from services.trips.service.lifecycle import Lifecycle
from services.trips.service.settling import Settling
from services.trips.store import TripBook
from services.trips.sweeper import Sweeper

MIGRATIONS = Path(__file__).parent / "migrations"


def join(node: Node, data_dir: Path) -> None:
    """Puts the service together on `node`."""
    store = node.attach(Store.open(data_dir / "trips.db", owner="trips", migrations=MIGRATIONS))
    book = TripBook(store)
    fleet = RemoteDispatch(node.client(dispatch.Dispatch))
    settling = Settling(book, fleet, RemotePayments(node.client(payments.Payments)), time.time)
    fares = PricingFares(node.client(pricing.Pricing))
    node.serve(trips.Trips, TripsController(Lifecycle(book, fares, fleet, settling, time.time)))
    node.attach(Sweeper(settling))


async def main() -> None:
    async with Node("trips") as node:
        join(node, node.config.data_dir or Path(".mesh/data"))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
