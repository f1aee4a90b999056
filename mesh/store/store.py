"""A service's own database: SQLite in a file, one writer, several readers, everything off the loop.

One rule: a transaction's outcome is definite before anybody else gets the writer. Cancelling a call rolls its
transaction back; cancelling it during the commit waits for the commit.

    async with Store.open(path, owner="trips", migrations=Path("migrations")) as store:
        async with store.tx() as tx:
            await tx.execute("INSERT INTO trips (id) VALUES (?)", (trip_id,))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mesh.store.api import Limits, Outcome, Params, Reader, Row, Tx, Written
from mesh.store.errors import StoreBusy, StoreClosed, StoreError
from mesh.store.migrations import load
from mesh.store.sqlite import BUSY_MS, Connection
from mesh.store.worker import Worker, settled

log = logging.getLogger(__name__)
T = TypeVar("T")


class _Scope:
    """A transaction or a snapshot, as its body sees it.

    It begins with its first statement, in the same trip to the thread: each trip costs a switch between threads, which
    takes as long as the loop is busy.
    """

    def __init__(self, connection: Connection, worker: Worker, begin: Callable[[], None], tries: int) -> None:
        self._connection = connection
        self._worker = worker
        self._begin = begin
        self._tries = tries
        self.begun = False
        self.outcome = Outcome.OPEN

    async def execute(self, sql: str, params: Params = ()) -> Written:
        return await self._run(lambda: self._connection.execute(sql, params))

    async def fetch_one(self, sql: str, params: Params = ()) -> Row | None:
        rows = await self._run(lambda: self._connection.fetch(sql, params, 1))
        return rows[0] if rows else None

    async def fetch_all(self, sql: str, params: Params = ()) -> list[Row]:
        return await self._run(lambda: self._connection.fetch_all(sql, params))

    async def fetch_value(self, sql: str, params: Params = ()) -> Any:
        row = await self.fetch_one(sql, params)
        return next(iter(row.values())) if row else None

    async def _run(self, work: Callable[[], T]) -> T:
        for _ in range(self._tries):
            try:
                return await self._try(work)
            except StoreBusy:  # between the tries a cancellation is heard
                if self.begun:
                    raise
        return await self._try(work)

    async def _try(self, work: Callable[[], T]) -> T:
        if self.outcome is not Outcome.OPEN:
            raise StoreError(f"{self._connection.path}: this transaction is over ({self.outcome})")
        # A statement whose caller has gone is ended; the body then raises, and the transaction is rolled back.
        return await self._worker.run(lambda: self._begin_and(work), on_cancel=self._connection.interrupt)

    def _begin_and(self, work: Callable[[], T]) -> T:
        if not self.begun:
            self._begin()
            self.begun = True
        return work()


class Store:
    """The embedded database; fits `api.Database`. Use as an async context manager; made by `Store.open`."""

    def __init__(self, path: Path, owner: str, migrations: Path | ModuleType | str, limits: Limits) -> None:
        self.path = path
        self.owner = owner
        self._source = migrations
        self._limits = limits
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._waiting = 0
        self._reading = asyncio.Semaphore(limits.readers)
        self._readers: list[Connection] = []
        self._idle: list[Connection] = []
        self._open = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        owner: str,
        migrations: Path | ModuleType | str,
        *,
        limits: Limits | None = None,
    ) -> Store:
        """A store to be entered with `async with`; the file and its folder are made if missing.

        `migrations` is a folder, or a package by module or name. Entering raises WrongOwner, MigrationError,
        StoreCorrupt, StoreBusy or another StoreError.
        """
        return cls(Path(path), owner, migrations, limits or Limits())

    async def __aenter__(self) -> Store:
        self._writes = Worker(f"store-{self.owner}-writer", 1)
        self._reads = Worker(f"store-{self.owner}-reader", self._limits.readers)
        opening = self._writes.submit(self._prepare)
        try:
            self._writer = await settled(opening)
        except BaseException:
            if opening.exception() is None:  # cancelled while it opened
                opening.result().close()
            self._writes.close()
            self._reads.close()
            raise
        self._open = True
        return self

    def _prepare(self) -> Connection:
        migrations = load(self._source)
        writer = Connection(self.path, self._limits, read_only=False)
        try:
            writer.prepare(self.owner, migrations)
        except BaseException:
            writer.close()
            raise
        return writer

    async def __aexit__(self, *exc: object) -> None:
        """Takes no more transactions, waits for the running ones and closes."""
        self._open = False
        limit_ms = self._limits.close_timeout_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                await self._turn.acquire()
                for _ in range(self._limits.readers):
                    await self._reading.acquire()
        except TimeoutError:
            log.error("%s: closed over a transaction still open after %d ms; it is rolled back", self.path, limit_ms)
            # Only here: SQLite leaves the log unmerged when a connection is closed right after an interrupt.
            for connection in (*self._readers, self._writer):
                connection.interrupt()
        finally:
            await self._writes.run(self._close)
            self._writes.close()

    def _close(self) -> None:
        self._reads.close(wait=True)  # a thread may still be inside of a statement
        self._writer.rollback()
        for connection in (*self._readers, self._writer):
            connection.close()

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[Tx]:
        """A write transaction; they take turns, first come first served.

        Committed when the body ends, rolled back when it raises or is cancelled. Raises StoreBusy (the queue is full,
        or another process keeps the lock), StoreClosed, ConstraintViolated (deferred ones, at commit), StoreError.
        """
        async with self._my_turn():
            tx = _Scope(self._writer, self._writes, self._writer.begin, self._limits.lock_timeout_ms // BUSY_MS)
            try:
                yield tx
            except BaseException:
                tx.outcome = Outcome.ROLLED_BACK
                if tx.begun:
                    await self._writes.run(self._writer.rollback)
                raise
            await self._commit(tx)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        # On 3.11 a handler's first step runs under a stand-in for its task, which then knows the real one.
        if task is not None and task in (self._holder, getattr(self._holder, "task", None)):
            raise StoreError(f"{self.path}: this task has a transaction open already; hand that one on as an argument")
        self._require_open()
        if self._turn.locked() and self._waiting >= self._limits.max_waiting:
            raise StoreBusy(
                f"{self.path}: {self._waiting} transactions wait already (max_waiting); call less, or later"
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            self._require_open()
            self._holder = task
            yield
        finally:
            self._holder = None
            self._turn.release()

    async def _wait_for(self, turn: asyncio.Lock | asyncio.Semaphore) -> None:
        self._require_open()
        if turn.locked() and self._waiting >= self._limits.max_waiting:
            raise StoreBusy(
                f"{self.path}: {self._waiting} transactions wait already (max_waiting); call less, or later"
            )
        self._waiting += 1
        try:
            await turn.acquire()
        finally:
            self._waiting -= 1

    def _require_open(self) -> None:
        if not self._open:
            raise StoreClosed(f"{self.path}: the store is closed")

    async def _commit(self, tx: _Scope) -> None:
        if not tx.begun:
            tx.outcome = Outcome.COMMITTED  # nothing was asked, nothing is to be done
            return
        tx.outcome = Outcome.UNKNOWN  # until the thread says which
        await self._writes.run(lambda: self._settle(tx))

    def _settle(self, tx: _Scope) -> None:
        # In the writer's thread: the outcome is there also when whoever waits is cancelled.
        if not self._writer.in_transaction:
            tx.outcome = Outcome.ROLLED_BACK
        try:
            self._writer.commit()
            tx.outcome = Outcome.COMMITTED
        except StoreError:
            if self._writer.in_transaction:
                self._writer.rollback()
                tx.outcome = Outcome.ROLLED_BACK
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """A snapshot for reading, beside the writer and other readers. Raises StoreBusy, StoreClosed, StoreError."""
        await self._wait_for(self._reading)
        try:
            self._require_open()
            while not self._idle:  # another scope may take what this one has added
                await self._reads.run(self._add_reader)
            connection = self._idle.pop()
        except BaseException:
            self._reading.release()
            raise
        scope = _Scope(connection, self._reads, connection.begin_read, self._limits.lock_timeout_ms // BUSY_MS)
        try:
            yield scope
        finally:
            scope.outcome = Outcome.ROLLED_BACK
            # Nobody needs to wait for the end of a snapshot but the next who uses the connection.
            self._reads.submit(connection.rollback).add_done_callback(lambda done: self._give_back(connection, done))

    def _give_back(self, connection: Connection, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("%s: a snapshot did not end: %s", self.path, error)
        self._idle.append(connection)
        self._reading.release()

    def _add_reader(self) -> None:
        connection = Connection(self.path, self._limits, read_only=True)
        self._readers.append(connection)
        self._idle.append(connection)
