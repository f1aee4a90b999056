"""What can go wrong with a service's own database, each with what to do about it.

One rule: a text names the database, the reason and the remedy, and never a parameter's value (it may be private).
"""

from __future__ import annotations


class StoreError(Exception):
    """The database could not do what was asked. The transaction that it happened in is rolled back."""


class StoreClosed(StoreError):
    """The store is closing or closed; nothing was done."""


class StoreBusy(StoreError):
    """Too many transactions wait, or another process keeps the write lock; nothing was done, a repeat is safe."""


class StoreFull(StoreError):
    """The disk or the store's own `max_bytes` is full; nothing was written."""


class StoreCorrupt(StoreError):
    """The file is no database or is damaged."""


class ConstraintViolated(StoreError):
    """A UNIQUE, CHECK, NOT NULL or foreign key constraint forbids it. Only this statement was undone."""


class WrongOwner(StoreError):
    """The database belongs to another service."""


class MigrationError(StoreError):
    """The migrations in the code and those in the database do not fit, or one of them failed."""
