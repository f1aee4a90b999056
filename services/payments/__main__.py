"""`python -m services.payments`: its database is `payments.db` in MESH_DATA_DIR."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import mesh
from idl import payments
from mesh.node import Node
from mesh.store import Store
from services.payments.controllers import PaymentsController

MIGRATIONS = Path(__file__).parent / "migrations"


def new_id() -> str:
    return f"ch-{uuid.uuid4().hex}"


async def main() -> None:
    path = Path(os.environ.get("MESH_DATA_DIR", ".mesh/data")) / "payments.db"
    async with Store.open(path, owner="payments", migrations=MIGRATIONS) as store, Node("payments") as node:
        node.serve(payments.Payments, PaymentsController(store, new_id))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
