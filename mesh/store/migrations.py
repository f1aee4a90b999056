"""Numbered migrations: `0001_trips.sql`, `0002_charges.sql`, ... applied in order, each in a transaction of its own.

One rule: what was once applied never changes. The database keeps every migration's SHA-256, and a store whose code
and database disagree does not open.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType

from mesh.store.errors import MigrationError

_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
_BLANK = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
# They would end or leave the transaction that the caller stands in, or change how durable it is.
_FORBIDDEN = frozenset(
    ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "PRAGMA", "VACUUM")
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `checksum` is the SHA-256 of its text with Unix line ends, in hex."""

    number: int
    name: str
    sql: str
    checksum: str


def verb(sql: str) -> str:
    """The statement's first word in capitals, comments skipped."""
    match = _BLANK.match(sql)
    words = sql[match.end() if match else 0 :].split(None, 1)
    return words[0].upper().rstrip(";") if words else ""


def is_forbidden(sql: str) -> bool:
    """Whether the statement reaches outside of its transaction."""
    return verb(sql) in _FORBIDDEN


def statements(sql: str) -> Iterator[str]:
    """The text's statements one by one; semicolons in texts, comments and trigger bodies end none."""
    pending = ""
    for piece in sql.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            if verb(pending):
                yield pending
            pending = ""
    if verb(pending):
        raise MigrationError(f"the last statement is not complete: {pending.strip()[:80]!r}")


def load(source: Path | ModuleType | str) -> tuple[Migration, ...]:
    """The migrations of a folder or of a package (by module or name), checked to be numbered 1, 2, 3, ...

    Raises MigrationError.
    """
    folder: Traversable = source if isinstance(source, Path) else importlib.resources.files(source)
    if not folder.is_dir():
        raise MigrationError(f"there is no folder of migrations at {source}")
    found: list[Migration] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(entry.name)
        if match is None:
            raise MigrationError(f"{entry.name}: a migration is named like 0001_what_it_does.sql")
        sql = entry.read_bytes().decode().replace("\r\n", "\n")
        found.append(Migration(int(match[1]), entry.name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    if not found:
        raise MigrationError(f"there are no migrations in {source}")
    for expected, migration in enumerate(found, 1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name}: number {expected:04} was expected here; none missing, none twice")
    return tuple(found)


def pending(migrations: tuple[Migration, ...], applied: dict[int, tuple[str, str]]) -> tuple[Migration, ...]:
    """Those not yet applied. `applied` is number -> (name, checksum), as the database has it. Raises MigrationError."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in sorted(applied.items()):
        migration = known.get(number)
        if migration is None:
            raise MigrationError(
                f"the database has migration {name}, which this code does not know: it was made by newer code, "
                f"or the file is missing"
            )
        if migration.checksum != checksum:
            raise MigrationError(
                f"migration {migration.name} was changed after it had been applied "
                f"(SHA-256 was {checksum[:12]}, is {migration.checksum[:12]}): restore it and add a new one"
            )
    return tuple(migration for migration in migrations if migration.number not in applied)
