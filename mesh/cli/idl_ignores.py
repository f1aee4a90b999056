"""`.idl-breaking.toml`: breaking changes that somebody decided to live with, each with the reason.

    [[ignore]]
    code = "field-removed"
    struct = "QuoteRequest"
    field = "tip"
    reason = "no caller ever filled it (usage of September)"
    until = 2027-01-31

One rule: an entry that does nothing is told, whether it matches nothing or its day has passed.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mesh.cli.exits import CommandError, nearest
from mesh.contract.compare import CODES, Change

DEFAULT_FILE = Path(".idl-breaking.toml")
MAX_BYTES = 1024 * 1024  # thousands of entries: a file that large excuses everything
MAX_REASON = 500  # characters; it stands on one line


@dataclass(frozen=True, slots=True)
class Ignore:
    """One entry. What it leaves out matches anything."""

    number: int  # from 1, in the order of the file
    reason: str
    until: datetime.date | None = None  # the last day on which it holds
    code: str | None = None
    contract: str | None = None
    service: str | None = None
    method: str | None = None
    struct: str | None = None
    field: str | None = None

    def matches(self, change: Change) -> bool:
        if self.method is not None and self.method not in (change.method, *change.methods):
            return False
        return all(getattr(self, key) in (None, getattr(change, key)) for key in _PLACES if key != "method")

    def __str__(self) -> str:
        said = [f"{key} = {getattr(self, key)}" for key in _PLACES if getattr(self, key) is not None]
        return f"entry {self.number} ({', '.join(said)})"


_PLACES = ("code", "contract", "service", "method", "struct", "field")
_KEYS = tuple(item.name for item in fields(Ignore) if item.name != "number")


class Ignores:
    """The entries of a file. `today` decides which are over."""

    def __init__(self, file: Path | None, entries: Sequence[Ignore], today: datetime.date) -> None:
        self._file = file
        self._entries = entries
        self._today = today
        self._matched: set[int] = set()

    def reason(self, change: Change) -> str | None:
        """Why a change is ignored; None when it is not."""
        found = None
        for entry in self._entries:
            if entry.matches(change):
                self._matched.add(entry.number)
                if found is None and not self._over(entry):
                    found = entry.reason
        return found

    def idle(self) -> list[str]:
        """What is to be said of the file once all changes were looked up."""
        told = []
        for entry in self._entries:
            if self._over(entry):
                told.append(f"{self._file}: {entry} ended on {entry.until}; it ignores nothing any more")
            elif entry.number not in self._matched:
                told.append(f"{self._file}: {entry} matches nothing; take it out")
        return told

    def _over(self, entry: Ignore) -> bool:
        return entry.until is not None and self._today > entry.until


def load_ignores(file: Path | None, today: datetime.date) -> Ignores:
    """The entries of `file`; None: of `.idl-breaking.toml` here, if there is one. Raises CommandError."""
    if file is None and not DEFAULT_FILE.exists():
        return Ignores(None, (), today)
    path = file or DEFAULT_FILE
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise CommandError(f"{path}: larger than {MAX_BYTES} bytes")
        table = tomllib.loads(data.decode())
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from None
    entries = table.pop("ignore", [])
    if table or not isinstance(entries, list):
        raise CommandError(f"{path}: it has tables [[ignore]] and nothing else{_found(table)}")
    return Ignores(path, [_entry(path, number, entry) for number, entry in enumerate(entries, 1)], today)


def _found(table: Mapping[str, Any]) -> str:
    return f"; found {next(iter(table))!r}" if table else ""


def _entry(path: Path, number: int, entry: Any) -> Ignore:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict):
        raise CommandError(f"{where}: expected a table [[ignore]]")
    for key in entry:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(_KEYS)}"
            raise CommandError(f"{where}: unknown key {key!r}; {hint}")
    texts = {key: value for key, value in entry.items() if key != "until"}
    for key, value in texts.items():
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise CommandError(f"{where}: {key} must be a text on one line")
    if not 0 < len(texts.get("reason", "")) <= MAX_REASON:
        raise CommandError(f"{where}: say why: reason = a text of at most {MAX_REASON} characters")
    if not any(key in texts for key in _PLACES):
        raise CommandError(f"{where}: it would ignore everything; say which: {', '.join(_PLACES)}")
    if "code" in texts and texts["code"] not in CODES:
        close = nearest(texts["code"], CODES)
        raise CommandError(f"{where}: no change has the code {texts['code']!r}" + (f"; {close!r}?" if close else ""))
    return Ignore(number, **texts, until=_day(where, entry.get("until")))


def _day(where: str, value: Any) -> datetime.date | None:
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    raise CommandError(f"{where}: until is a day without quotes, as in until = 2027-01-31")
