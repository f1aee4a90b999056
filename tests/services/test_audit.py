"""The audit over a run of the real services, and over the same run with one thing wrong: each must be found."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from city import City, open_gateway

from mesh.testing import LocalMesh
from services import journal as journals
from services.audit import Audit, audit
from services.demo.riders import Gateway, Riders
from services.drivers.store.zones import load_zones
from services.journal import Entry, Journal

TRIPS = 12
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data and the journal of a run, made once."""
    import asyncio

    folder = tmp_path_factory.mktemp("run")

    async def ride() -> None:
        async with LocalMesh() as mesh:
            await City(mesh, folder).start()
            server, _ = await open_gateway(mesh)
            with Journal(folder / "journal.jsonl", "run") as journal:
                gateway = Gateway(f"http://{server.address}", journal, 4)
                done: list[int] = []
                riders = Riders(gateway, load_zones(), random.Random(5), "run")
                await riders.ride_all(TRIPS, 4, lambda: done.append(1))
                gateway.close()
            assert len(done) == TRIPS

    asyncio.run(ride())
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def execute(folder: Path, service: str, sql: str) -> None:
    with closing(sqlite3.connect(folder / f"{service}.db")) as db, db:
        assert db.execute(sql).rowcount > 0


def look(folder: Path) -> Audit:
    return audit(folder, folder / "journal.jsonl")


def test_a_good_run(run: Path) -> None:
    found = look(run)
    assert found.problems == ()
    assert (found.ok, found.journalled, found.states, found.charges) == (True, TRIPS, {"charged": TRIPS}, TRIPS)
    assert found.journal_cents == found.trips_cents == found.payments_cents > TRIPS * 600
    assert found.to_dict()["ok"] is True


FIRST = "trip_id = 'run-00001'"


@pytest.mark.parametrize(
    ("service", "sql", "problem"),
    [
        ("trips", f"DELETE FROM trips WHERE {FIRST}", "lost: the rider was told charged"),
        ("trips", f"UPDATE trips SET fare_cents = fare_cents + 1 WHERE {FIRST}", "the rider was told"),
        ("trips", f"UPDATE trips SET state = 5, charge_id = NULL WHERE {FIRST}", "trips has finished"),
        ("trips", f"UPDATE trips SET charge_id = 'another' WHERE {FIRST}", "trips has the charge another"),
        ("trips", f"UPDATE trips SET state = 4, charge_id = NULL WHERE {FIRST}", "under way without its driver"),
        ("trips", f"UPDATE trips SET driver_id = 'nobody' WHERE {FIRST}", "driven by somebody"),
        ("trips", f"UPDATE trips SET trip_id = 'run-x' WHERE {FIRST}", "run-x: no rider has asked"),
        ("payments", f"DELETE FROM charges WHERE {FIRST}", "finished and not charged"),
        ("payments", f"UPDATE charges SET amount_cents = amount_cents + 1 WHERE {FIRST}", "money: "),
        ("payments", f"UPDATE charges SET rider_id = 'another' WHERE {FIRST}", "to another rider"),
        ("payments", f"UPDATE charges SET trip_id = 'run-x' WHERE {FIRST}", "run-x: charged and not finished"),
        ("drivers", f"UPDATE reservations SET released = 0 WHERE {FIRST}", "still held"),
        ("drivers", f"DELETE FROM reservations WHERE {FIRST}", "driven by somebody"),
    ],
)
def test_what_is_wrong_is_found(copy: Path, service: str, sql: str, problem: str) -> None:
    execute(copy, service, sql)
    found = look(copy)
    assert not found.ok
    assert any(problem in line for line in found.problems), found.problems


def edit_journal(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    file = folder / "journal.jsonl"
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))


def test_a_trip_that_the_journal_does_not_have(copy: Path) -> None:
    edit_journal(copy, lambda lines: [line for line in lines if "run-00001" not in line])
    found = look(copy)
    assert "run-00001: no rider has asked for it" in found.problems
    assert any(line.startswith("money: ") for line in found.problems)


def test_a_line_that_was_being_written_is_no_answer(copy: Path) -> None:
    edit_journal(copy, lambda lines: [*lines, '{"trip_id": "run-0'])
    assert look(copy).ok


def test_a_broken_journal_is_told(copy: Path) -> None:
    edit_journal(copy, lambda lines: [*lines, "{}\n"])
    with pytest.raises(ValueError, match="no journal"):
        look(copy)


def test_a_missing_database_is_told(copy: Path) -> None:
    (copy / "trips.db").unlink()
    with pytest.raises(FileNotFoundError, match="no database of trips"):
        look(copy)


def test_databases_may_have_folders_of_their_own(copy: Path) -> None:
    for name in ("trips", "payments", "drivers"):
        (copy / name).mkdir()
        for file in copy.glob(f"{name}.db*"):
            file.rename(copy / name / file.name)
    assert look(copy).ok


def test_answers_in_another_order_sum_up_the_same() -> None:
    def entry(state: str | None, error: str | None = None) -> Entry:
        return Entry("t", "step", 200, 1.0, state, 100 if state else None, error)

    entries = [entry("matched"), entry("charged"), entry("started"), entry(None, "timeout")]
    told = journals.sum_up(entries)["t"]
    assert (told.state, told.fare_cents, told.last_error) == ("charged", 100, "timeout")
    assert journals.sum_up([entry("unmatched"), entry("matched")])["t"].state == "matched"
