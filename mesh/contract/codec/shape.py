"""What the two generators are given: a sequence of fields, and what is made of their values.

A struct, a method's arguments and a method's result differ only here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mesh.contract.codec.source import Source
from mesh.contract.codec.types import Slot


class Codecs(Protocol):
    """Where generated code finds the functions of other structs."""

    def reader(self, cls: Any) -> Callable[..., Any]: ...
    def writer(self, cls: Any) -> Callable[..., Any]: ...


@dataclass(frozen=True)
class Shape:
    """`root` stands first in the paths of errors, `slots` are in the order of the wire.

    `cls` is the class to make; None for a method's arguments, whose values are the tuple `order`, and for a result,
    which is its only value (`bare`) and in which an unknown field is an error (`closed`).
    """

    name: str
    root: str
    slots: tuple[Slot, ...]
    codecs: Codecs
    cls: Any = None
    order: tuple[str, ...] = ()
    union: bool = False
    bare: bool = False
    closed: bool = False

    @property
    def vars(self) -> str:
        """The values as a sequence of locals, in the order of the wire."""
        return "".join(f"{slot.var}, " for slot in self.slots)

    @property
    def required(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.field.required and not self.union)


def one_arm(source: Source, shape: Shape) -> None:
    """Adds the check that exactly one field of a union is there."""
    if not shape.union:
        return
    names = tuple(slot.name for slot in shape.slots)
    there = " + ".join(f"({slot.var} is not None)" for slot in shape.slots)
    with source.block(f"if {there or '0'} != 1:"):
        source.add(f"raise not_one_arm({names!r}, ({shape.vars}))")


def bounds(source: Source, slot: Slot, var: str) -> None:
    """Adds the checks of the field's constraints on `var`; `at` must name the field already."""
    field, kind = slot.field, slot.type
    number = kind.letter is not None and kind.letter != "B"
    if number and (field.min is not None or field.max is not None):
        low, high = source.bind("low", field.min), source.bind("high", field.max)
        left = f"{low} <= " if field.min is not None else ""
        right = f" <= {high}" if field.max is not None else ""
        with source.block(f"if not {left}{var}{right}:"):  # so that NaN does not pass
            source.add(f"raise out_of_bounds({low}, {high})")
    if field.max_length is not None and kind.letter is None:
        with source.block(f"if len({var}) > {int(field.max_length)}:"):
            source.add(f"raise too_long({int(field.max_length)}, len({var}))")
    if field.pattern is not None and kind.name == "string":
        match = source.bind("match", _matcher(field.pattern))
        with source.block(f"if {match}({var}) is None:"):
            source.add(f"raise no_match({field.pattern!r})")


def bounded(slot: Slot) -> bool:
    """Whether `bounds` adds anything."""
    field = slot.field
    return any(limit is not None for limit in (field.min, field.max, field.max_length, field.pattern))


def _matcher(pattern: str) -> Callable[[str], Any]:
    return re.compile(pattern).fullmatch
