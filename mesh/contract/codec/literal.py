"""Defaults as expressions: a new container or struct each time one is evaluated."""

from __future__ import annotations

from typing import Any

from mesh.contract.codec.source import Source
from mesh.contract.codec.types import DOUBLE, LIST, MAP, SET, STRING, STRUCT, Type, parse


def literal(source: Source, type: Type, value: Any) -> str:
    """An expression for `value`, which thriftpy2's parser gave for a default of `type`."""
    if type.code == STRUCT:
        return _struct(source, value)
    if type.code in (LIST, SET):
        items = "".join(f"{literal(source, type.args[0], item)}, " for item in value)
        return f"[{items}]" if type.code == LIST else f"set(({items}))"
    if type.code == MAP:
        key, item = type.args
        entries = (f"{literal(source, key, k)}: {literal(source, item, v)}" for k, v in value.items())
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
