"""One difference before it is known where it stands, and the texts that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mesh.contract.compare.change import Level
from mesh.contract.digest import canonical_value

MAX_VALUE = 60  # characters of a default or constant in a message


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    code: str
    field: str
    old: str
    new: str
    text: str  # what happened and what comes of it, to follow "WHERE: "


def value_text(value: Any) -> str:
    """A default or constant; `none` for nothing."""
    if value is None:
        return "none"
    text = repr(canonical_value(value)) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + "..."


def was_is(old: str, new: str, consequence: str | None = None) -> str:
    """`was double, is now string: old callers refuse ...`"""
    return f"was {old}, is now {new}{f': {consequence}' if consequence else ''}"


def wire_or(level: Level, refusal: str | None) -> Level:
    """`wire` where peers meet that refuse each other, else `level`."""
    return Level.WIRE if refusal else level
