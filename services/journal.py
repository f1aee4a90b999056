"""What the riders were told: one JSON object a line, in the order of the answers.

One rule: an answer is in the file before anything follows from it, so that the file can be held against the services'
databases whatever happened in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer. `status` is HTTP's, 0 when none came; `state` and `fare_cents` are the trip's, where it was told."""

    trip_id: str
    step: str  # quote, request, start, finish, get
    status: int
    ms: float
    state: str | None = None
    fare_cents: int | None = None
    error: str | None = None


class Journal:
    """A file to add to; `run` is what the ids of this run's trips begin with. A context manager."""

    def __init__(self, path: Path, run: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.run = run
        self._file = path.open("w", encoding="utf-8", buffering=1)  # a line at a time
        self._file.write(json.dumps({"run": run}) + "\n")

    def add(self, entry: Entry) -> None:
        self._file.write(json.dumps(asdict(entry)) + "\n")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Told:
    """All that was said about one trip, summed up: the farthest state and its fare."""

    trip_id: str
    state: str | None
    fare_cents: int | None
    last_error: str | None


# How far a trip is. A rider's answers may be written in another order than they were made.
RANKS = {
    "requested": 1, "unmatched": 2, "matched": 3, "started": 4, "finished": 5, "charged": 6, "expired": 7,
}  # fmt: skip


def read(path: Path) -> tuple[str, list[Entry]]:
    """The run's name and its entries. Raises ValueError with the line that is broken."""
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]  # one that was being written is no answer yet
    try:
        head, *rest = [json.loads(line) for line in lines]
        return head["run"], [Entry(**line) for line in rest]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: no journal: {error}") from error


def sum_up(entries: Iterable[Entry]) -> dict[str, Told]:
    """What was told about each trip, by its id."""
    told: dict[str, Told] = {}
    for entry in entries:
        before = told.get(entry.trip_id, Told(entry.trip_id, None, None, None))
        farther = entry.state is not None and RANKS[entry.state] >= RANKS.get(before.state or "", 0)
        told[entry.trip_id] = Told(
            entry.trip_id,
            entry.state if farther else before.state,
            entry.fare_cents if farther else before.fare_cents,
            entry.error or before.last_error,
        )
    return told
