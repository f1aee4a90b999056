"""Types as thriftpy2's classes carry them, and their canonical text.

One rule: a typedef is gone by the time a type gets here, and a name is always written with the stem of the file that
defines it (`list<geo.Point>`), so that two texts are equal exactly when the types are.

A spec is thriftpy2's: a `TType` number for base types, `(I32, enum)`, `(STRUCT, class)`, `(LIST, spec)`, `(SET, spec)`
or `(MAP, (key, value))`.
"""

from __future__ import annotations

from typing import Any

from thriftpy2.thrift import TType

Spec = int | tuple[int, Any]

BASE: dict[str, int] = {
    "bool": TType.BOOL,
    "i8": TType.BYTE,
    "i16": TType.I16,
    "i32": TType.I32,
    "i64": TType.I64,
    "double": TType.DOUBLE,
    "string": TType.STRING,
    "binary": TType.BINARY,
}
_BASE_NAMES = {number: name for name, number in BASE.items()}
INTEGER_BITS: dict[int, int] = {TType.BYTE: 8, TType.I16: 16, TType.I32: 32, TType.I64: 64}


def is_enum(spec: Spec) -> bool:
    return isinstance(spec, tuple) and spec[0] == TType.I32


def is_struct(spec: Spec) -> bool:
    """Structs, unions and exceptions."""
    return isinstance(spec, tuple) and spec[0] == TType.STRUCT


def is_container(spec: Spec) -> bool:
    return isinstance(spec, tuple) and spec[0] in (TType.LIST, TType.SET, TType.MAP)


def is_exception(spec: Spec) -> bool:
    return is_struct(spec) and isinstance(spec, tuple) and issubclass(spec[1], Exception)


def parts(spec: Spec) -> tuple[Spec, ...]:
    """The types inside a container; empty for all others."""
    if not isinstance(spec, tuple) or not is_container(spec):
        return ()
    return tuple(spec[1]) if spec[0] == TType.MAP else (spec[1],)


def size(spec: Spec) -> int:
    """How many types a type is made of."""
    return 1 + sum(size(part) for part in parts(spec))


def text_of(spec: Spec) -> str:
    """The canonical IDL text of a type."""
    if isinstance(spec, int):
        return _BASE_NAMES[spec]
    kind, inner = spec
    if kind == TType.LIST:
        return f"list<{text_of(inner)}>"
    if kind == TType.SET:
        return f"set<{text_of(inner)}>"
    if kind == TType.MAP:
        return f"map<{text_of(inner[0])}, {text_of(inner[1])}>"
    return str(inner.__mesh_name__)


def field_spec(spec: Spec, name: str, required: bool) -> tuple[Any, ...]:
    """A field's entry in `thrift_spec`."""
    if isinstance(spec, int):
        return spec, name, required
    return spec[0], name, spec[1], required


def spec_of(entry: tuple[Any, ...]) -> Spec:
    """The type in a field's entry of `thrift_spec`."""
    return entry[0] if len(entry) == 3 else (entry[0], entry[2])


_PYTHON: dict[int, Any] = {TType.BOOL: bool, TType.DOUBLE: float, TType.STRING: str, TType.BINARY: bytes}


def python_type(spec: Spec) -> Any:
    """The Python type of a value: `int`, `list[float]`, a struct's class. For an enum its class of integers."""
    if isinstance(spec, int):
        return _PYTHON.get(spec, int)
    inner = [python_type(part) for part in parts(spec)]
    if spec[0] == TType.MAP:
        return dict[inner[0], inner[1]]  # type: ignore[valid-type]
    if spec[0] == TType.SET:
        return set[inner[0]]  # type: ignore[valid-type]
    return list[inner[0]] if spec[0] == TType.LIST else spec[1]  # type: ignore[valid-type]
