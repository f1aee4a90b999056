"""`python -m services.payments`: its database is `payments.db` in MESH_DATA_DIR."""

from __future__ import annotations

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


def join(node: Node, data_dir: Path) -> None:
    """Puts the service together on `node`."""
    store = node.attach(Store.open(data_dir / "payments.db", owner="payments", migrations=MIGRATIONS))
    node.serve(payments.Payments, PaymentsController(store, new_id))


async def main() -> None:
    async with Node("payments") as node:
        join(node, node.config.data_dir or Path(".mesh/data"))
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
