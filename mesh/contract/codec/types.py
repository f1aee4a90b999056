"""thriftpy2's type specs as one small tree, so that no generator reads its tuples.

One rule: every type here has a Python form; one that has none is refused when its struct is prepared.
"""

from __future__ import annotations

import keyword
import struct
from dataclasses import dataclass
from typing import Any

from mesh.contract.codec.errors import CodecError
from mesh.contract.model import Field

BOOL, BYTE, DOUBLE, I16, I32, I64, STRING, STRUCT, MAP, SET, LIST = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
UUID = 16  # Apache's newest type: thriftpy2's IDL has no word for it, but a newer peer may send one in an unknown field
BINARY = 18  # thriftpy2's own mark; on the wire a binary is a string

NAMES = {
    BOOL: "bool", BYTE: "byte", DOUBLE: "double", I16: "i16", I32: "i32", I64: "i64", STRING: "string",
    STRUCT: "struct", MAP: "map", SET: "set", LIST: "list", UUID: "uuid",
}  # fmt: skip

# What the smallest value of a wire type takes, in bytes: an empty string is its length, an empty struct its stop byte.
MIN_SIZE = {
    BOOL: 1, BYTE: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8, STRING: 4, STRUCT: 1, MAP: 6, SET: 5, LIST: 5, UUID: 16,
}  # fmt: skip

# struct's letters for what has a fixed width.
LETTERS = {BOOL: "B", BYTE: "b", I16: "h", I32: "i", I64: "q", DOUBLE: "d"}
WIDTH = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "d": 8}


def range_of(letter: str) -> tuple[int, int]:
    """The smallest and the largest integer of struct's `letter`."""
    limit = 1 << (8 * WIDTH[letter] - 1)
    return -limit, limit - 1


# Structs inside structs, the outermost included, on the wire and in memory: Apache Thrift's own limit. It also keeps
# hostile bytes and cyclic objects far away from Python's recursion limit.
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Type:
    """`code` is the wire's type, `cls` the class of a struct or enum, `args` what a container holds."""

    code: int
    name: str
    cls: Any = None
    args: tuple[Type, ...] = ()
    binary: bool = False

    @property
    def is_enum(self) -> bool:
        return self.code == I32 and self.cls is not None

    @property
    def letter(self) -> str | None:
        """struct's format letter, None for what has no fixed width."""
        return LETTERS.get(self.code)


@dataclass(frozen=True, slots=True)
class Slot:
    """A field as the generators see it: the contract's field, its type and the default of thriftpy2's class."""

    field: Field
    type: Type
    default: Any

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def id(self) -> int:
        return self.field.id

    @property
    def header(self) -> bytes:
        """What stands in front of the field on the wire: type and id."""
        return struct.pack(">Bh", self.type.code, self.field.id)

    @property
    def var(self) -> str:
        """The field's local variable in generated code; no field name can collide with the code's own names."""
        return f"v_{self.field.name}"

    @property
    def expected(self) -> bool:
        """Writers normally send it: everything not marked `optional`."""
        return self.field.required is not False


def name_of(code: int) -> str:
    """A wire type in words, for messages."""
    return NAMES.get(code, f"unknown type {code}")


def parse(ttype: int, spec: Any) -> Type:
    """The type that thriftpy2 writes as `ttype` and `spec` (an element type alone, or a pair)."""
    if ttype == STRUCT:
        return Type(STRUCT, spec.__name__, spec)
    if ttype in (LIST, SET):
        (item,) = _arguments((spec,))
        return Type(ttype, f"{NAMES[ttype]}<{item.name}>", None, (item,))
    if ttype == MAP:
        key, value = _arguments(spec)
        return Type(MAP, f"map<{key.name}, {value.name}>", None, (key, value))
    if ttype == BINARY:
        return Type(STRING, "binary", binary=True)
    if ttype == I32 and spec is not None:
        return Type(I32, spec.__name__, spec)
    if ttype not in NAMES:
        raise CodecError(f"type {ttype} is not one of Thrift's")
    return Type(ttype, NAMES[ttype])


def _arguments(specs: tuple[Any, ...]) -> tuple[Type, ...]:
    return tuple(parse(*spec) if isinstance(spec, tuple) else parse(spec, None) for spec in specs)


def slots(cls: Any, fields: tuple[Field, ...]) -> tuple[Slot, ...]:
    """The fields of thriftpy2's `cls` in the order of `fields`. Raises `CodecError` under the field's name."""
    defaults = dict(cls.default_spec)
    found = []
    for field in fields:
        try:
            found.append(Slot(field, _field_type(cls, field), defaults.get(field.name)))
        except CodecError as error:
            raise error.under(field.name) from None
    return tuple(found)


def _field_type(cls: Any, field: Field) -> Type:
    ttype, _, *rest = cls.thrift_spec[field.id]
    parsed = parse(ttype, rest[0] if len(rest) == 2 else None)
    if keyword.iskeyword(field.name):
        raise CodecError(f"{field.name!r} is a keyword of Python and cannot name a field")
    refuse_unhashable(parsed)
    return parsed


def refuse_unhashable(type: Type, hashed: bool = False) -> None:
    """Refuses a map inside a set's element or a map's key; a list or set there becomes a tuple or frozenset."""
    if hashed and type.code == MAP:
        raise CodecError(f"{type.name} inside a set's element or a map's key: Python has no hashable dict")
    for position, inner in enumerate(type.args):
        key = type.code == SET or (type.code == MAP and position == 0)
        refuse_unhashable(inner, hashed or key)


def by_id(fields: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """In the order of the wire: Apache's writers sort by field id."""
    return tuple(sorted(fields, key=lambda slot: slot.id))
