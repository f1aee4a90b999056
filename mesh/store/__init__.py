"""A service's own database: transactions that are whole or not at all, off the loop, durable when they return.

One rule: a service reads and writes its own store and no other's; what belongs to others it asks for by RPC.
"""

from mesh.store.api import Database, Limits, Outcome, Params, Reader, Row, Tx, Value, Written
from mesh.store.errors import (
    ConstraintViolated,
    MigrationError,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    WrongOwner,
)
from mesh.store.store import Store

__all__ = [
    "ConstraintViolated", "Database", "Limits", "MigrationError", "Outcome", "Params", "Reader", "Row", "Store",
    "StoreBusy", "StoreClosed", "StoreCorrupt", "StoreError", "StoreFull", "Tx", "Value", "Written", "WrongOwner",
]  # fmt: skip
