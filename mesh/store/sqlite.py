"""SQLite, blocking: one connection, set up to lose nothing, with its errors told in ours.

One rule: after a statement that made SQLite roll back by itself (full disk, I/O error), nothing more runs on that
transaction; it would run outside of any.

WAL with `synchronous = FULL` syncs the log at every commit: what was committed survives a crash of process and
machine (sqlite.org, "PRAGMA synchronous").
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mesh.store.api import Limits, Params, Row, Written
from mesh.store.errors import (
    ConstraintViolated,
    MigrationError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    WrongOwner,
)
from mesh.store.migrations import Migration, is_forbidden, pending, statements, verb

T = TypeVar("T")

# SQLite waits this long for a lock by itself. Short, for a waiting thread hears no cancellation; `begin` is repeated.
BUSY_MS = 100
PAGE_BYTES = 4096

_SETUP = """
CREATE TABLE IF NOT EXISTS mesh_store (only INTEGER PRIMARY KEY CHECK (only = 1), owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mesh_migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL);
"""


def translate(error: Exception, path: Path) -> StoreError:
    """Our error for one of sqlite3's."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{path}: another process keeps the database locked ({name}); which one? try: fuser {path}")
    if primary == sqlite3.SQLITE_FULL:
        return StoreFull(f"{path}: the disk, or the store's max_bytes, is full; nothing was written ({name})")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(f"{path}: damaged, or no database ({name}: {error}); restore it from a copy")
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintViolated(f"{path}: {error} ({name})")
    if primary == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path}: may only be read here ({name}); write in tx(), and check the file's permissions")
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"{path}: cannot be opened for writing ({name}); check the folder and its permissions")
    if primary == sqlite3.SQLITE_IOERR:
        return StoreError(f"{path}: reading or writing the file failed ({name}: {error}); check the disk")
    return StoreError(f"{path}: {error} ({name})")


def sync_folder(folder: Path) -> None:
    """Makes a new file's name in the folder as durable as its content will be."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dict_row(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


class Connection:
    """One connection, used by one thread at a time. All methods block and raise `StoreError`."""

    def __init__(self, path: Path, limits: Limits, *, read_only: bool) -> None:
        self.path = path
        self._limits = limits
        self._db = self._told(lambda: self._connect(read_only))

    def _told(self, work: Callable[[], T]) -> T:
        # OverflowError: an integer beyond 64 bits. UnicodeError: a text with half a surrogate pair.
        try:
            return work()
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
            raise translate(error, self.path) from error

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        if not read_only:
            self._create()
        db = sqlite3.connect(
            self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            db.row_factory = _dict_row
            db.execute("PRAGMA foreign_keys = ON")
            if read_only:
                db.execute("PRAGMA query_only = ON")
                return db
            mode = self._patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone()["journal_mode"])
            if mode != "wal":
                raise StoreError(f"{self.path}: the file system cannot do a write-ahead log (journal mode is {mode})")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA max_page_count = {max(1, self._limits.max_bytes // PAGE_BYTES)}")
        except BaseException:
            db.close()
            raise
        return db

    def _create(self) -> None:
        # SQLite would create the file readable for everybody.
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be opened for writing: {error.strerror}") from error

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def begin(self) -> None:
        """Takes the write lock at once, so that no transaction fails half-way for want of it."""
        self._told(lambda: self._db.execute("BEGIN IMMEDIATE"))

    def begin_read(self) -> None:
        self._told(lambda: self._db.execute("BEGIN"))

    def commit(self) -> None:
        self._require_transaction()
        self._told(lambda: self._db.execute("COMMIT"))

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._told(lambda: self._db.execute("ROLLBACK"))

    def interrupt(self) -> None:
        """Ends the statement that runs now, if any. May be called from another thread."""
        self._db.interrupt()

    def close(self) -> None:
        self._told(self._db.close)

    def execute(self, sql: str, params: Params) -> Written:
        cursor = self._run(sql, params)
        try:
            return Written(cursor.rowcount, cursor.lastrowid)
        finally:
            cursor.close()

    def fetch(self, sql: str, params: Params, most: int) -> list[Row]:
        """At most `most` rows."""
        cursor = self._run(sql, params)
        try:
            return self._told(lambda: cursor.fetchmany(most))
        finally:
            cursor.close()

    def fetch_all(self, sql: str, params: Params) -> list[Row]:
        most = self._limits.max_rows
        rows = self.fetch(sql, params, most + 1)
        if len(rows) > most:
            raise StoreError(f"{self.path}: a query gave more than {most} rows (max_rows); read them in pages")
        return rows

    def _run(self, sql: str, params: Params) -> sqlite3.Cursor:
        self._require_transaction()
        if is_forbidden(sql):
            raise StoreError(f"{self.path}: {verb(sql)} is for the store itself, not for a transaction")
        return self._told(lambda: self._db.execute(sql, params))

    def _require_transaction(self) -> None:
        if not self._db.in_transaction:
            raise StoreError(f"{self.path}: an earlier error has already rolled this transaction back")

    def prepare(self, owner: str, migrations: tuple[Migration, ...]) -> None:
        """Makes the database the owner's, if it is new, and applies what is pending. Raises StoreError."""
        self._in_transaction(lambda: self._claim(owner))
        while self._in_transaction(lambda: self._apply_next(migrations)):
            pass

    def _in_transaction(self, work: Callable[[], T]) -> T:
        self._patiently(lambda: self._db.execute("BEGIN IMMEDIATE"))
        try:
            result = work()
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return result

    def _patiently(self, work: Callable[[], T]) -> T:
        # Two processes may open a new database at once: one migrates, the other waits and finds it done.
        for _ in range(self._limits.lock_timeout_ms // BUSY_MS):
            try:
                return self._told(work)
            except StoreBusy:
                time.sleep(BUSY_MS / 1000)  # not every busy answer has waited by itself
        return self._told(work)

    def _claim(self, owner: str) -> None:
        tables = {row["name"] for row in self.fetch_all("SELECT name FROM sqlite_master WHERE type = 'table'", ())}
        if tables and "mesh_store" not in tables:
            raise WrongOwner(f"{self.path}: a database that no mesh store has made; give {owner!r} a file of its own")
        for statement in statements(_SETUP):
            self.execute(statement, ())
        self.execute("INSERT OR IGNORE INTO mesh_store VALUES (1, ?)", (owner,))
        found = self.fetch("SELECT owner FROM mesh_store", (), 1)[0]["owner"]
        if found != owner:
            raise WrongOwner(f"{self.path}: belongs to {found!r}, {owner!r} may not open it; ask {found!r} by RPC")

    def _apply_next(self, migrations: tuple[Migration, ...]) -> bool:
        """Applies the first pending migration; False when there is none. Reads the list under the write lock."""
        rows = self.fetch_all("SELECT number, name, checksum FROM mesh_migrations", ())
        todo = pending(migrations, {row["number"]: (row["name"], row["checksum"]) for row in rows})
        if not todo:
            return False
        migration = todo[0]
        try:
            for statement in statements(migration.sql):
                self.execute(statement, ())
        except (StoreBusy, StoreFull, StoreCorrupt):
            raise
        except StoreError as error:
            raise MigrationError(f"migration {migration.name} failed and was undone: {error}") from error
        # Kept for people only; nothing reads it back.
        applied_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = (migration.number, migration.name, migration.checksum, applied_at)
        self.execute("INSERT INTO mesh_migrations VALUES (?, ?, ?, ?)", row)
        return True
