"""Two versions of a contract on disk, loaded and compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mesh.contract import load_texts
from mesh.contract.compare import Change, Pairing, compare
from mesh.contract.model import Contract
from tests.contract.breaking.pairs import Pair
from tests.contract.text import contract


def written(folder: Path, text: str, includes: Mapping[str, str]) -> Path:
    """The file of a version."""
    folder.mkdir(exist_ok=True)
    contract(folder, text, **includes)
    return folder / "a.thrift"


def files(folder: Path, pair: Pair) -> tuple[Path, Path]:
    return (
        written(folder / "old", pair.old, pair.old_includes),
        written(folder / "new", pair.new, pair.new_includes),
    )


@cache
def loaded(pair: Pair) -> tuple[Contract, Contract]:
    """Both versions; loaded once for all tests."""
    made = []
    for text, includes in ((pair.old, pair.old_includes), (pair.new, pair.new_includes)):
        texts = {f"{stem}.thrift": included for stem, included in includes.items()}
        made.append(load_texts({**texts, "a.thrift": text}, "a.thrift"))
    return made[0], made[1]


def changes(folder: Path, old: str, new: str, pairing: Pairing = Pairing.EITHER) -> list[Change]:
    """Of two texts without includes."""
    for name in ("old", "new"):
        (folder / name).mkdir(exist_ok=True)
    return compare(contract(folder / "old", old), contract(folder / "new", new), pairing=pairing)


def said(change: Change) -> str:
    """`LEVEL CODE PLACE`, as the table has it."""
    place = change.struct or change.method or change.path
    field = change.field if change.field != place else ""
    return f"{change.level} {change.code} {'.'.join(filter(None, (place, field)))}"
