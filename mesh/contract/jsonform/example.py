"""A JSON body that the contract accepts, to be copied and changed.

One rule: what it makes passes the contract's own checks wherever that can be done by rule; a text that must match a
pattern is tried from a list.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract.jsonform.show import to_json
from mesh.contract.jsonform.spec import is_union, split
from mesh.contract.model import Field
from mesh.contract.typespec import Spec, spec_of

MAX_DEPTH = 8  # a body for reading; a recursive struct would go on for ever
_SAMPLES = (
    "text", "a", "A", "1", "12", "123", "1234", "123456", "ABC", "abc-123", "ABC123", "2026-01-31", "12:00",
    "2026-01-31T12:00:00Z", "name@example.com", "+15550100", "H2X 1Y4", "00000000-0000-4000-8000-000000000000",
    "0" * 16, "0" * 32, "4111111111111111", "en-CA", "CAD", "127.0.0.1", "https://example.com/",
)  # fmt: skip


def example(args_class: type, parameters: Iterable[Field], *, full: bool = False) -> dict[str, Any]:
    """A body for the method. `full` adds the optional fields, which may exclude each other."""
    specs: Mapping[int, tuple[Any, ...]] = args_class.thrift_spec  # type: ignore[attr-defined]
    return {field.name: _value(spec_of(specs[field.id]), field, full, 0) for field in parameters}


def _value(spec: Spec, field: Field | None, full: bool, depth: int) -> Any:
    kind, what = split(spec)
    if field is not None and field.default is not None:
        return to_json(spec, field.default, show_pii=True)
    if kind == TType.STRUCT:
        return _struct(what, full, depth)
    if kind in (TType.LIST, TType.SET):
        return [] if depth >= MAX_DEPTH else [_value(what, None, full, depth + 1)]
    if kind == TType.MAP:
        return _map(what, full, depth)
    if kind == TType.I32 and what is not None:
        return next(iter(what._NAMES_TO_VALUES), 0)
    if kind == TType.BOOL:
        return True
    if kind == TType.STRING:
        return _text(field)
    if kind == TType.BINARY:
        return base64.b64encode(b"bytes").decode()
    number = _number(field)
    return number if kind == TType.DOUBLE else int(number)


def _struct(cls: type, full: bool, depth: int) -> dict[str, Any]:
    fields: tuple[Field, ...] = cls.__mesh_fields__  # type: ignore[attr-defined]
    specs: Mapping[int, tuple[Any, ...]] = cls.thrift_spec  # type: ignore[attr-defined]
    shown = [field for field in fields if field.required is not False or (full and not field.deprecated)]
    if is_union(cls) or not shown:
        shown = list(fields[:1])
    return {
        field.name: _value(spec_of(specs[field.id]), field, full, depth + 1)
        for field in shown
        if depth < MAX_DEPTH or field.required
    }


def _map(what: Any, full: bool, depth: int) -> Any:
    key_spec, value_spec = what
    if depth >= MAX_DEPTH:
        return {}
    key, value = _value(key_spec, None, full, depth + 1), _value(value_spec, None, full, depth + 1)
    return {key: value} if isinstance(key, str) else [[key, value]]


def _number(field: Field | None) -> float:
    low = field.min if field is not None else None
    high = field.max if field is not None else None
    number = 1.0
    if low is not None and number < low:
        number = low
    if high is not None and number > high:
        number = high
    return number


def _text(field: Field | None) -> str:
    if field is None:
        return "text"
    limit = field.max_length if field.max_length is not None else 10_000
    if field.pattern is None:
        return field.name[:limit]
    for sample in (field.name, *_SAMPLES):
        if len(sample) <= limit and re.fullmatch(field.pattern, sample):
            return sample
    return f"a text that matches {field.pattern}"
