from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from mesh.store import (
    ConstraintViolated,
    Limits,
    Outcome,
    Store,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
)
from mesh.store.sqlite import Connection

INSERT = "INSERT INTO items VALUES (?, ?)"
# Counts to a thousand million: minutes of work, unless it is interrupted.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) FROM n"


class Gate:
    """Stands in the writer's thread before a commit, until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        commit = Connection.commit

        def gated(connection: Connection) -> None:
            self.reached.set()
            assert self.go_on.wait(10)
            commit(connection)

        monkeypatch.setattr(Connection, "commit", gated)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


@pytest.fixture
async def store(path: Path, migrations: Path):
    async with Store.open(path, owner="items", migrations=migrations) as store:
        yield store


async def count(store: Store) -> int:
    async with store.read() as reader:
        return await reader.fetch_value("SELECT count(*) FROM items")


async def test_what_was_written_is_there(store: Store) -> None:
    async with store.tx() as tx:
        written = await tx.execute(INSERT, ("a", 1))
        assert (written.rows, written.last_id) == (1, 1)
        await tx.execute("INSERT INTO items VALUES (:id, :number)", {"id": "b", "number": 2})
        assert await tx.fetch_value("SELECT sum(number) FROM items") == 3
        assert await count(store) == 0  # not for others, before the commit
    assert tx.outcome is Outcome.COMMITTED
    async with store.read() as reader:
        assert await reader.fetch_all("SELECT * FROM items ORDER BY id") == [
            {"id": "a", "number": 1},
            {"id": "b", "number": 2},
        ]
        assert await reader.fetch_one("SELECT * FROM items WHERE id = 'c'") is None
        assert await reader.fetch_value("SELECT number FROM items WHERE id = 'c'") is None


async def test_an_exception_undoes_everything(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
            raise ZeroDivisionError
    assert tx.outcome is Outcome.ROLLED_BACK
    assert await count(store) == 0


async def test_a_reader_sees_one_moment(store: Store) -> None:
    async with store.read() as reader:
        assert await reader.fetch_value("SELECT count(*) FROM items") == 0
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
        assert await reader.fetch_value("SELECT count(*) FROM items") == 0
    assert await count(store) == 1


async def test_a_reader_cannot_write(store: Store) -> None:
    async with store.read() as reader:
        with pytest.raises(StoreError, match="may only be read"):
            await reader.fetch_all(INSERT, ("a", 1))
    assert await count(store) == 0


async def test_a_constraint_undoes_only_its_statement(store: Store) -> None:
    async with store.tx() as tx:
        await tx.execute(INSERT, ("a", 1))
        with pytest.raises(ConstraintViolated, match=r"items\.id"):
            await tx.execute(INSERT, ("a", 2))
        await tx.execute(INSERT, ("b", 2))
    assert await count(store) == 2


async def test_a_constraint_that_fails_at_commit_undoes_all(store: Store) -> None:
    with pytest.raises(ConstraintViolated, match="FOREIGN KEY"):
        async with store.tx() as tx:
            await tx.execute("INSERT INTO parts VALUES ('nowhere')")
    assert tx.outcome is Outcome.ROLLED_BACK
    async with store.tx() as tx:
        assert await tx.fetch_value("SELECT count(*) FROM parts") == 0


@pytest.mark.parametrize("sql", ["COMMIT", "rollback", " /* x */ BEGIN", "PRAGMA foreign_keys = OFF", "SAVEPOINT a"])
async def test_a_body_cannot_leave_its_transaction(store: Store, sql: str) -> None:
    with pytest.raises(StoreError, match="for the store itself"):
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
            await tx.execute(sql)
    assert await count(store) == 0


@pytest.mark.parametrize(
    ("sql", "params", "reason"),
    [
        ("SELEC 1", (), "syntax error"),
        ("SELECT ?", (), "bindings"),
        ("SELECT ?", (1 << 70,), "too large"),
        ("SELECT ?", ("\ud800",), "surrogates"),
        ("SELECT 1; SELECT 2", (), "one statement"),
        ("INSERT INTO items VALUES ('a', -1)", (), "CHECK"),
    ],
)
async def test_mistakes_are_store_errors(store: Store, sql: str, params: tuple[object, ...], reason: str) -> None:
    async with store.tx() as tx:
        with pytest.raises(StoreError, match=reason):
            await tx.fetch_all(sql, params)  # type: ignore[arg-type]
    assert await count(store) == 0


async def test_a_transaction_that_is_over_takes_nothing(store: Store) -> None:
    async with store.tx() as tx:
        pass
    with pytest.raises(StoreError, match="is over"):
        await tx.execute(INSERT, ("a", 1))
    assert await count(store) == 0


async def test_a_transaction_inside_its_own_task_is_refused(store: Store) -> None:
    async with store.tx():
        with pytest.raises(StoreError, match="open already"):
            async with store.tx():
                pass


async def test_transactions_take_turns(store: Store) -> None:
    async with store.tx() as tx:
        await tx.execute(INSERT, ("n", 0))

    async def add() -> None:
        async with store.tx() as tx:
            number = await tx.fetch_value("SELECT number FROM items")
            await tx.execute("UPDATE items SET number = ?", (number + 1,))

    await asyncio.gather(*(add() for _ in range(50)))
    async with store.read() as reader:
        assert await reader.fetch_value("SELECT number FROM items") == 50


async def test_many_readers_at_once(store: Store) -> None:
    assert await asyncio.gather(*(count(store) for _ in range(50))) == [0] * 50


async def test_the_queue_is_bounded(path: Path, migrations: Path) -> None:
    async with Store.open(path, owner="items", migrations=migrations, limits=Limits(max_waiting=2)) as store:
        async with store.tx():
            waiting = [asyncio.create_task(insert(store, name)) for name in "ab"]
            await asyncio.sleep(0)
            with pytest.raises(StoreBusy, match="2 transactions wait"):
                await asyncio.create_task(insert(store, "c"))
        await asyncio.gather(*waiting)
        assert await count(store) == 2


async def insert(store: Store, name: str) -> None:
    async with store.tx() as tx:
        await tx.execute(INSERT, (name, 1))


async def test_a_cancelled_waiter_takes_no_turn(store: Store) -> None:
    async with store.tx():
        waiter = asyncio.create_task(insert(store, "a"))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    await insert(store, "b")
    assert await count(store) == 1


async def test_a_cancelled_body_rolls_back(store: Store) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(store) == 0
    await insert(store, "a")


async def test_a_cancelled_statement_is_interrupted(store: Store) -> None:
    started = asyncio.Event()

    async def body() -> None:
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
            started.set()
            await tx.fetch_value(ENDLESS)

    task = asyncio.create_task(body())
    await started.wait()
    await asyncio.to_thread(lambda: None)
    done: set[asyncio.Task[None]] = set()
    while not done:  # an interrupt before the statement has begun finds nothing to end, so again
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.05)
    assert task.cancelled()
    assert await count(store) == 0


async def test_cancelling_during_the_commit_waits_for_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    seen = []

    async def body() -> None:
        async with store.tx() as tx:
            seen.append(tx)
            await tx.execute(INSERT, ("a", 1))

    task = asyncio.create_task(body())
    await gate.wait()
    other = asyncio.create_task(insert(store, "b"))
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()  # the commit is under way and cannot be taken back
    assert not other.done()
    gate.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen[0].outcome is Outcome.COMMITTED
    await other
    assert await count(store) == 2


async def test_closing_waits_for_the_running_one_and_refuses_the_rest(
    path: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(path, owner="items", migrations=migrations).__aenter__()
    gate = Gate(monkeypatch)
    running = asyncio.create_task(insert(store, "a"))
    await gate.wait()
    waiting = asyncio.create_task(insert(store, "b"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.__aexit__())
    await asyncio.sleep(0)
    assert not closing.done()
    gate.go_on.set()
    await running
    with pytest.raises(StoreClosed):
        await waiting
    await closing
    with pytest.raises(StoreClosed):
        await insert(store, "c")
    with sqlite3.connect(path) as db:
        assert [row[0] for row in db.execute("SELECT id FROM items")] == ["a"]
    db.close()


async def test_closing_gives_up_waiting(path: Path, migrations: Path) -> None:
    store = await Store.open(
        path, owner="items", migrations=migrations, limits=Limits(close_timeout_ms=20)
    ).__aenter__()
    tx = store.tx()
    scope = await tx.__aenter__()
    await scope.execute(INSERT, ("a", 1))
    await asyncio.create_task(store.__aexit__())
    with pytest.raises(StoreClosed):
        await tx.__aexit__(None, None, None)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM items").fetchone() == (0,)
    db.close()


async def test_a_full_store_says_so_and_loses_nothing(path: Path, migrations: Path) -> None:
    async with Store.open(path, owner="items", migrations=migrations, limits=Limits(max_bytes=64 * 1024)) as store:
        await insert(store, "small")
        with pytest.raises(StoreFull, match="max_bytes"):
            async with store.tx() as tx:
                await tx.execute(INSERT, ("x" * 200_000, 1))
        await insert(store, "small too")
        assert await count(store) == 2


async def test_an_error_that_rolled_back_lets_nothing_more_in(path: Path, migrations: Path) -> None:
    async with Store.open(path, owner="items", migrations=migrations, limits=Limits(max_bytes=64 * 1024)) as store:
        with pytest.raises(StoreError, match="already rolled"):
            async with store.tx() as tx:
                await tx.execute(INSERT, ("before", 1))
                with pytest.raises(StoreFull):
                    for number in range(100):
                        await tx.execute(INSERT, (f"{number}" + "x" * 4000, 1))
                await tx.execute(INSERT, ("after", 1))
                await forget_the_transaction(store)
        assert await count(store) == 0


async def forget_the_transaction(store: Store) -> None:
    """What SQLite does by itself after some I/O errors."""
    store._writer._db.execute("ROLLBACK")


async def test_a_commit_without_transaction_is_no_success(store: Store) -> None:
    with pytest.raises(StoreError, match="already rolled"):
        async with store.tx() as tx:
            await tx.execute(INSERT, ("a", 1))
            await forget_the_transaction(store)
    assert tx.outcome is Outcome.ROLLED_BACK
    assert await count(store) == 0


async def test_a_locked_database_says_so_and_works_again(path: Path, migrations: Path) -> None:
    limits = Limits(lock_timeout_ms=100)
    async with Store.open(path, owner="items", migrations=migrations, limits=limits) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another process keeps"):
            await insert(store, "a")
        assert await count(store) == 0  # reading goes on
        other.execute("COMMIT")
        other.close()
        await insert(store, "a")


async def test_damage_is_told(path: Path, migrations: Path) -> None:
    async with Store.open(path, owner="items", migrations=migrations) as store:
        async with store.tx() as tx:
            for number in range(2000):
                await tx.execute(INSERT, (f"item {number}", number))
    data = bytearray(path.read_bytes())
    for offset in range(4 * 4096, len(data)):  # the first pages hold the schema
        data[offset] ^= 0x5A
    path.write_bytes(data)
    async with Store.open(path, owner="items", migrations=migrations) as store:
        with pytest.raises(StoreCorrupt, match="restore it from a copy"):
            async with store.read() as reader:
                await reader.fetch_value("SELECT sum(number) FROM items")


async def test_a_folder_that_cannot_be_made(tmp_path: Path, migrations: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        async with Store.open(tmp_path / "file" / "items.db", owner="items", migrations=migrations):
            pass


async def test_too_many_rows_are_refused(path: Path, migrations: Path) -> None:
    async with Store.open(path, owner="items", migrations=migrations, limits=Limits(max_rows=3)) as store:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
        async with store.read() as reader:
            assert len(await reader.fetch_all(numbers.format(3))) == 3
            with pytest.raises(StoreError, match="more than 3 rows"):
                await reader.fetch_all(numbers.format(4))


async def test_the_file_is_private_and_durable(store: Store, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pragmas = {
        name: next(iter(store._writer._db.execute(f"PRAGMA {name}").fetchone().values()))
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_two_open_a_new_store_at_once(path: Path, migrations: Path) -> None:
    async def one(name: str) -> None:
        async with Store.open(path, owner="items", migrations=migrations) as store:
            await insert(store, name)

    await asyncio.gather(*(one(name) for name in "abcd"))
    async with Store.open(path, owner="items", migrations=migrations) as store:
        assert await count(store) == 4
