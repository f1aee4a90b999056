"""The Python side of a struct: what thriftpy2's class lacks as an ordinary value.

One rule: an instance shares nothing with another; each default is made when it is used.
"""

from __future__ import annotations

import reprlib
from typing import Any

from mesh.contract.codec.literal import literal
from mesh.contract.codec.source import Source
from mesh.contract.codec.types import LIST, MAP, SET, STRUCT, Slot
from mesh.contract.model import Field

MASK = "***"  # what a `pii` field shows of itself


class _Fresh:
    """The default of a parameter whose value is made anew each time."""

    def __repr__(self) -> str:
        return "<fresh>"


_FRESH = _Fresh()
_MUTABLE = (LIST, SET, MAP, STRUCT)


def dress(cls: Any, slots: tuple[Slot, ...]) -> None:
    """Gives `cls` its constructor, repr, equality and hash. `slots` in the order of the text."""
    fields = tuple(slot.field for slot in slots)
    cls.__init__ = _constructor(cls, slots)
    cls.__repr__ = _representation(fields)
    cls.__eq__, cls.__hash__ = _equality(fields)
    cls.__ne__ = object.__ne__  # thriftpy2's own negates NotImplemented


def _constructor(cls: Any, slots: tuple[Slot, ...]) -> Any:
    names = [slot.name for slot in slots]
    this = "self" if "self" not in names else "self_"
    source = Source({}, reserved=names)
    fresh = source.bind("FRESH", _FRESH)
    made_anew = [slot for slot in slots if slot.default is not None and slot.type.code in _MUTABLE]
    parameters = [this]
    for slot in slots:
        default = "None" if slot.default is None else fresh
        if slot.default is not None and slot not in made_anew:
            default = literal(source, slot.type, slot.default)
        parameters.append(f"{slot.name}={default}")
    with source.block(f"def __init__({', '.join(parameters)}):"):
        for slot in made_anew:
            with source.block(f"if {slot.name} is {fresh}:"):
                source.add(f"{slot.name} = {literal(source, slot.type, slot.default)}")
        for name in names:
            source.add(f"{this}.{name} = {name}")
    made = source.function("__init__")
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


def _representation(fields: tuple[Field, ...]) -> Any:
    @reprlib.recursive_repr()
    def __repr__(self: Any) -> str:
        shown = []
        for field in fields:
            value = getattr(self, field.name, None)
            if value is not None:
                shown.append(f"{field.name}={MASK if field.pii else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    return __repr__


def _equality(fields: tuple[Field, ...]) -> tuple[Any, Any]:
    names = tuple(field.name for field in fields)

    def values(of: Any) -> tuple[Any, ...]:
        return tuple(getattr(of, name, None) for name in names)

    def __eq__(self: Any, other: Any) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or values(self) == values(other)

    def __hash__(self: Any) -> int:
        """By value, as equality is: an object that is in a set or a key must not be changed."""
        return hash((type(self), tuple(map(_frozen, values(self)))))

    return __eq__, __hash__


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(_frozen, value))
    if isinstance(value, dict):
        return frozenset((_frozen(key), _frozen(item)) for key, item in value.items())
    if isinstance(value, bytearray):
        return bytes(value)
    return value
