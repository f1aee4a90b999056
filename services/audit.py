"""Holds what the riders were told against the databases of trips, payments and drivers.

One rule: it only reads, and believes nobody: every trip must have the same end in the journal and in `trips`, be
charged once and for its fare if it was finished, and leave its driver free.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import journal as journals
from services.journal import Told
from services.trips.models import State

Rows = Mapping[str, Mapping[str, Any]]
ENDS = ("charged", "unmatched")  # where a rider's trip may end


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. `states` counts the run's trips as `trips` has them; cents are sums over the charged ones."""

    run: str
    journalled: int
    states: Mapping[str, int]
    charges: int
    journal_cents: int
    trips_cents: int
    payments_cents: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Every trip is accounted for, and the three sums are one."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "run": self.run,
            "journalled": self.journalled,
            "states": dict(self.states),
            "charges": self.charges,
            "journal_cents": self.journal_cents,
            "trips_cents": self.trips_cents,
            "payments_cents": self.payments_cents,
            "problems": list(self.problems),
        }


def audit(data_dir: Path, journal: Path) -> Audit:
    """Audits the run that wrote `journal`, against the databases under `data_dir`.

    A database is `data_dir/NAME/NAME.db` or `data_dir/NAME.db`. The services may be running. Raises FileNotFoundError
    for a missing database, ValueError for a broken journal.
    """
    run, entries = journals.read(journal)
    told = journals.sum_up(entries)
    trips = _rows(data_dir, "trips", "SELECT * FROM trips WHERE substr(trip_id, 1, ?) = ?", run)
    charges = _rows(data_dir, "payments", "SELECT * FROM charges WHERE substr(trip_id, 1, ?) = ?", run)
    holds = _rows(data_dir, "drivers", "SELECT * FROM reservations WHERE substr(trip_id, 1, ?) = ?", run)
    charged = [trip for trip in trips.values() if trip["state"] == State.CHARGED]
    sums = (
        sum(one.fare_cents or 0 for one in told.values() if one.state == "charged"),
        sum(trip["fare_cents"] for trip in charged),
        sum(charge["amount_cents"] for charge in charges.values()),
    )
    problems = list(_problems(told, trips, charges, holds))
    if len(set(sums)) != 1:
        problems.append(f"money: the journal has {sums[0]} cents, trips {sums[1]}, payments {sums[2]}")
    states = Counter(_state(trip) for trip in trips.values())
    return Audit(run, len(told), states, len(charges), *sums, tuple(problems))


def _rows(data_dir: Path, service: str, query: str, run: str) -> Rows:
    """The run's rows by trip id."""
    places = (data_dir / service / f"{service}.db", data_dir / f"{service}.db")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"there is no database of {service} at {' or '.join(map(str, places))}")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        db.row_factory = sqlite3.Row
        return {row["trip_id"]: dict(row) for row in db.execute(query, (len(run), run))}


def _state(trip: Mapping[str, Any]) -> str:
    return State(trip["state"]).name.lower()


def _problems(told: Mapping[str, Told], trips: Rows, charges: Rows, holds: Rows) -> Iterator[str]:
    for trip_id in sorted({*told, *trips, *charges, *holds}):
        for problem in _of_trip(told.get(trip_id), trips.get(trip_id), charges.get(trip_id), holds.get(trip_id)):
            yield f"{trip_id}: {problem}"


def _of_trip(
    told: Told | None,
    trip: Mapping[str, Any] | None,
    charge: Mapping[str, Any] | None,
    hold: Mapping[str, Any] | None,
) -> Iterator[str]:
    yield from _of_story(told, trip)
    yield from _of_money(trip, charge)
    yield from _of_driver(trip, hold)


def _of_story(told: Told | None, trip: Mapping[str, Any] | None) -> Iterator[str]:
    if told is None:
        yield "no rider has asked for it"
        return
    if trip is None:
        yield f"lost: the rider was told {told.state}, trips does not know it (last error: {told.last_error})"
        return
    state = _state(trip)
    if state != told.state:
        yield f"the rider was told {told.state}, trips has {state}"
    if state not in ENDS:
        yield f"it ended as {state} (last error: {told.last_error})"
    if told.fare_cents is not None and told.fare_cents != trip["fare_cents"]:
        yield f"the rider was told {told.fare_cents} cents, trips has {trip['fare_cents']}"


def _of_money(trip: Mapping[str, Any] | None, charge: Mapping[str, Any] | None) -> Iterator[str]:
    due = trip is not None and trip["state"] in (State.FINISHED, State.CHARGED)
    if charge is None:
        if due:
            yield "finished and not charged"
        return
    if trip is None or not due:
        yield "charged and not finished"
        return
    if charge["amount_cents"] != trip["fare_cents"] or charge["rider_id"] != trip["rider_id"]:
        yield f"charged {charge['amount_cents']} cents for a fare of {trip['fare_cents']}, or to another rider"
    if trip["charge_id"] != charge["charge_id"]:
        yield f"trips has the charge {trip['charge_id']}, payments has {charge['charge_id']}"


def _of_driver(trip: Mapping[str, Any] | None, hold: Mapping[str, Any] | None) -> Iterator[str]:
    held = hold is not None and not hold["released"]
    if trip is None or trip["state"] not in (State.MATCHED, State.STARTED):
        if held:
            yield "its driver is still held"
    elif hold is None or not held or hold["driver_id"] != trip["driver_id"]:
        yield "it is under way without its driver"
    driven = trip is not None and trip["state"] in (State.FINISHED, State.CHARGED)
    if trip is not None and driven and (hold is None or hold["driver_id"] != trip["driver_id"]):
        yield "it was driven by somebody whom drivers does not know of"
