"""JSON in and out. Strict: an unknown, missing or mistyped field is refused by its path.

Ranges and patterns are not checked here. They stand in the contract, and the client's codec refuses what breaks it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar

from services.gateway.models import Place, Quote, QuoteAsked, Refused, Trip, TripAsked

T = TypeVar("T")


def refuse(message: str) -> NoReturn:
    raise Refused(400, "bad_request", message)


class Fields:
    """A JSON object's fields, each taken once and by its type."""

    def __init__(self, values: Any, path: str = "") -> None:
        if not isinstance(values, dict):
            refuse(f"{path or 'body'}: expected an object, got {_kind(values)}")
        self._values: dict[str, Any] = values
        self._path = f"{path}." if path else ""
        self._taken: dict[str, None] = {}  # in the order asked

    def text(self, name: str) -> str:
        return self._typed(name, str, "a string")

    def optional_text(self, name: str) -> str | None:
        return None if self._absent(name) else self.text(name)

    def integer(self, name: str) -> int:
        return self._typed(name, int, "an integer")

    def optional_integer(self, name: str) -> int | None:
        return None if self._absent(name) else self.integer(name)

    def number(self, name: str) -> float:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(f"{self._path}{name}: expected a number, got {_kind(value)}")
        try:
            return float(value)
        except OverflowError:
            refuse(f"{self._path}{name}: too large for a number")

    def place(self, name: str) -> Place:
        inner = Fields(self._take(name), f"{self._path}{name}")
        place = Place(inner.number("lat"), inner.number("lon"))
        inner.end()
        return place

    def end(self) -> None:
        """Raises Refused when a field is left that nobody has asked for."""
        for name in self._values:
            if name not in self._taken:
                refuse(f"{self._path}{name[:64]}: unknown field; known are {', '.join(self._taken)}")

    def _absent(self, name: str) -> bool:
        self._taken[name] = None
        return self._values.get(name) is None

    def _take(self, name: str) -> Any:
        self._taken[name] = None
        if name not in self._values:
            refuse(f"{self._path}{name}: is missing")
        return self._values[name]

    def _typed(self, name: str, wanted: type[T], described: str) -> T:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, wanted):
            refuse(f"{self._path}{name}: expected {described}, got {_kind(value)}")
        return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def parse(body: bytes) -> Fields:
    """The body as one JSON object. Raises Refused."""
    try:
        return Fields(json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant))
    except RecursionError:
        refuse("body: nested too deeply")
    except ValueError as error:  # broken JSON, broken UTF-8, an integer of thousands of digits
        refuse(f"body: no JSON: {error}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        refuse(f"{next(name for name in names if names.count(name) > 1)[:64]}: given twice")
    return values


def _no_constant(name: str) -> NoReturn:
    refuse(f"body: {name} is no JSON")


def to_quote_asked(body: bytes) -> QuoteAsked:
    fields = parse(body)
    asked = QuoteAsked(fields.place("pickup"), fields.place("dropoff"), fields.optional_integer("hour"))
    fields.end()
    return asked


def to_trip_asked(body: bytes) -> TripAsked:
    fields = parse(body)
    asked = TripAsked(
        trip_id=fields.optional_text("trip_id"),
        rider_id=fields.text("rider_id"),
        pickup=fields.place("pickup"),
        dropoff=fields.place("dropoff"),
        hour=fields.integer("hour"),
        fare_cents=fields.integer("fare_cents"),
    )
    fields.end()
    return asked


def check_empty(body: bytes) -> None:
    """For methods that take nothing: no body, or an empty object. Raises Refused."""
    if body:
        parse(body).end()


def told(answer: Quote | Trip) -> dict[str, Any]:
    """What is absent is left out."""
    return dict(_present(asdict(answer)))


def _present(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in values.items() if value is not None)
