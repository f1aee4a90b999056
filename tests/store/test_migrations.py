from __future__ import annotations

from pathlib import Path

import pytest

from mesh.store import MigrationError, Store, StoreError, WrongOwner
from mesh.store.migrations import is_forbidden, load, statements, verb


async def open_and_close(path: Path, migrations: Path, owner: str = "trips") -> None:
    async with Store.open(path, owner=owner, migrations=migrations):
        pass


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", []),
        ("  -- nothing; here\n", []),
        ("SELECT 1", ["SELECT 1;"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1;", " SELECT 2;"]),
        ("INSERT INTO a VALUES (';');", ["INSERT INTO a VALUES (';');"]),
        ("/* ; */ SELECT 1;", ["/* ; */ SELECT 1;"]),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END;",
            ["CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END;"],
        ),
    ],
)
def test_a_text_is_split_into_statements(sql: str, expected: list[str]) -> None:
    assert list(statements(sql)) == expected


def test_an_unfinished_text_is_refused() -> None:
    with pytest.raises(MigrationError, match="not complete"):
        list(statements("INSERT INTO a VALUES ('x"))


def test_comments_hide_no_verb() -> None:
    assert verb("/* a */ -- b\n  commit;") == "COMMIT"
    assert is_forbidden("-- x\nPRAGMA synchronous = OFF")
    assert not is_forbidden("UPDATE commits SET begin = 1")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no migrations"),
        (["0002_b.sql"], "0001 was expected"),
        (["0001_a.sql", "0003_c.sql"], "0002 was expected"),
        (["0001_a.sql", "0001_b.sql"], "0002 was expected"),
        (["1_a.sql"], "named like"),
        (["0001-a.sql"], "named like"),
    ],
)
def test_bad_numbers_and_names_are_refused(tmp_path: Path, names: list[str], reason: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=reason):
        load(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no folder"):
        load(tmp_path / "nowhere")


def test_line_ends_do_not_change_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\nSELECT 2;\n")
    unix = load(tmp_path)[0].checksum
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    assert load(tmp_path)[0].checksum == unix


async def test_they_are_applied_once_and_in_order(path: Path, migrations: Path) -> None:
    await open_and_close(path, migrations)
    (migrations / "0002_more.sql").write_text("ALTER TABLE items ADD COLUMN colour TEXT;")
    await open_and_close(path, migrations)
    async with Store.open(path, owner="trips", migrations=migrations) as store, store.tx() as tx:
        names = await tx.fetch_all("SELECT name FROM mesh_migrations ORDER BY number")
        await tx.execute("INSERT INTO items (id, number, colour) VALUES ('a', 1, 'red')")
    assert [row["name"] for row in names] == ["0001_items.sql", "0002_more.sql"]


async def test_a_changed_migration_is_refused(path: Path, migrations: Path) -> None:
    await open_and_close(path, migrations)
    (migrations / "0001_items.sql").write_text("CREATE TABLE items (id TEXT);")
    with pytest.raises(MigrationError, match=r"0001_items\.sql was changed"):
        await open_and_close(path, migrations)


async def test_newer_databases_are_refused(path: Path, migrations: Path) -> None:
    (migrations / "0002_more.sql").write_text("ALTER TABLE items ADD COLUMN colour TEXT;")
    await open_and_close(path, migrations)
    (migrations / "0002_more.sql").unlink()
    with pytest.raises(MigrationError, match=r"0002_more\.sql, which this code does not know"):
        await open_and_close(path, migrations)


async def test_a_failing_migration_leaves_nothing(path: Path, migrations: Path) -> None:
    bad = migrations / "0002_bad.sql"
    bad.write_text("CREATE TABLE more (id TEXT); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(MigrationError, match=r"0002_bad\.sql failed and was undone.*nowhere"):
        await open_and_close(path, migrations)
    bad.write_text("CREATE TABLE more (id TEXT);")  # would fail if the first statement had stayed
    await open_and_close(path, migrations)


@pytest.mark.parametrize("statement", ["COMMIT;", "PRAGMA synchronous = OFF;", "/* x */ ROLLBACK;", "ATTACH 'x' AS y;"])
async def test_a_migration_cannot_leave_its_transaction(path: Path, migrations: Path, statement: str) -> None:
    (migrations / "0002_bad.sql").write_text(f"CREATE TABLE more (id TEXT); {statement}")
    with pytest.raises(MigrationError, match="for the store itself"):
        await open_and_close(path, migrations)
    (migrations / "0002_bad.sql").write_text("CREATE TABLE more (id TEXT);")
    await open_and_close(path, migrations)


async def test_another_services_database_is_refused(path: Path, migrations: Path) -> None:
    await open_and_close(path, migrations, "trips")
    with pytest.raises(WrongOwner, match="belongs to 'trips', 'payments' may not open it"):
        await open_and_close(path, migrations, "payments")


async def test_a_foreign_database_is_refused_and_left_alone(path: Path, migrations: Path) -> None:
    import sqlite3

    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (id TEXT)")
    db.close()
    with pytest.raises(WrongOwner, match="no mesh store has made"):
        await open_and_close(path, migrations)
    with sqlite3.connect(path) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    db.close()


async def test_a_package_of_migrations(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "packaged_migrations"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "0001_a.sql").write_text("CREATE TABLE a (id TEXT);")
    monkeypatch.syspath_prepend(str(tmp_path))
    async with Store.open(path, owner="x", migrations="packaged_migrations") as store, store.read() as reader:
        assert await reader.fetch_value("SELECT count(*) FROM a") == 0


async def test_garbage_is_told(path: Path, migrations: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, and quite long enough to be looked at as one" * 100)
    with pytest.raises(StoreError, match="damaged, or no database"):
        await open_and_close(path, migrations)
