"""`python -m services.trips`: its database is `trips.db` in MESH_DATA_DIR."""

from __future__ import annotations

import os
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


async def main() -> None:
    path = Path(os.environ.get("MESH_DATA_DIR", ".mesh/data")) / "trips.db"
    async with Store.open(path, owner="trips", migrations=MIGRATIONS) as store, Node("trips") as node:
        book = TripBook(store)
        remote_dispatch = RemoteDispatch(node.client(dispatch.Dispatch))
        settling = Settling(book, remote_dispatch, RemotePayments(node.client(payments.Payments)), time.time)
        fares = PricingFares(node.client(pricing.Pricing))
        lifecycle = Lifecycle(book, fares, remote_dispatch, settling, time.time)
        node.serve(trips.Trips, TripsController(lifecycle))
        node.attach(Sweeper(settling))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
