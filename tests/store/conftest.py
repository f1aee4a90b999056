from __future__ import annotations

from pathlib import Path

import pytest

ITEMS = """
CREATE TABLE items (id TEXT PRIMARY KEY, number INTEGER NOT NULL CHECK (number >= 0));
-- a comment; with a semicolon
CREATE TABLE parts (item TEXT NOT NULL REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED);
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_items.sql").write_text(ITEMS)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "items.db"
