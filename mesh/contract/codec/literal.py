"""Defaults as expressions: a new container or struct each time one is evaluated."""

from __future__ import annotations

from typing import Any

from mesh.contract.codec.source import Source
from mesh.contract.codec.types import DOUBLE, LIST, MAP, SET, STRING, STRUCT, Type, parse


def literal(source: Source, type: Type, value: Any, *, hashed: bool = False) -> str:
    """An expression for `value`, which the contract states as a default of `type`.

    `hashed`: it stands in a set or as a map's key, where lists are tuples and sets frozensets, as when decoded.
    """
    if type.code == STRUCT:
        return _struct(source, value)
    if type.code in (LIST, SET):
        inner = hashed or type.code == SET
        items = "".join(f"{literal(source, type.args[0], item, hashed=inner)}, " for item in value)
        if type.code == LIST:
            return f"({items})" if hashed else f"[{items}]"
        return f"frozenset(({items}))" if hashed else f"set(({items}))"
    if type.code == MAP:
        key, item = type.args
        entries = (f"{literal(source, key, k, hashed=True)}: {literal(source, item, v)}" for k, v in value.items())
        return f"{{{', '.join(entries)}}}"
    if type.code == DOUBLE:
        value = float(value)
    elif type.code == STRING:
        value = value.encode() if type.binary and isinstance(value, str) else value
    return source.bind("const", value)


def _struct(source: Source, value: Any) -> str:
    cls = value.__class__
    arguments = []
    for ttype, name, *rest in cls.thrift_spec.values():
        held = getattr(value, name)
        if held is not None:
            inner = parse(ttype, rest[0] if len(rest) == 2 else None)
            arguments.append(f"{name}={literal(source, inner, held)}")
    return f"{source.bind('cls', cls)}({', '.join(arguments)})"
