"""What rules and services see of a database, whichever it is.

One rule: whatever is written goes through `tx()`, whole or not at all. A replicated store is another class that fits
`Database`; an outbox is another table written through the same `Tx` (table names beginning with `mesh_` are kept for
the toolkit).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Value = None | int | float | str | bytes
Params = Sequence[Value] | Mapping[str, Value]
Row = Mapping[str, Any]


class Outcome(enum.StrEnum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "unknown"  # writing failed during the commit itself: it may come back after a crash


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement changed. `last_id` is the row id of the last INSERT."""

    rows: int
    last_id: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """A store's bounds.

    max_waiting: transactions that wait for their turn. At some milliseconds a commit, 1000 are several seconds of work,
        more than any caller's deadline; those above would only time out.
    readers: concurrent reads, a thread and a connection each; the machines have few cores.
    lock_timeout_ms: how long another process may keep the write lock before it is an error; longer than any sane
        transaction, shorter than most deadlines.
    max_rows: rows that one `fetch_all` may give; more belongs in pages, and holds up the loop while it is handed over.
    max_bytes: size of the database file; a runaway table must not fill the disk for everybody.
    close_timeout_ms: how long closing waits for the running transaction; as long as a node drains.
    """

    max_waiting: int = 1000
    readers: int = 4
    lock_timeout_ms: int = 2000
    max_rows: int = 10_000
    max_bytes: int = 4 * 1024**3
    close_timeout_ms: int = 10_000


class Reader(Protocol):
    """Reads of one moment: everything that a scope reads is of the same snapshot. All raise `StoreError`."""

    async def fetch_one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row, or None."""
        ...

    async def fetch_all(self, sql: str, params: Params = ()) -> list[Row]:
        """Every row; more than `max_rows` are an error."""
        ...

    async def fetch_value(self, sql: str, params: Params = ()) -> Any:
        """The first column of the first row, or None when there is no row."""
        ...


class Tx(Reader, Protocol):
    """One transaction; it also reads what it wrote itself."""

    @property
    def outcome(self) -> Outcome: ...

    async def execute(self, sql: str, params: Params = ()) -> Written: ...


class Database(Protocol):
    """A service's own data."""

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction: committed when the body ends, rolled back when it raises or is cancelled."""
        ...

    def read(self) -> AbstractAsyncContextManager[Reader]: ...
