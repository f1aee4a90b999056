"""JSON to the values of a contract, by its types; `show` is the way back.

One rule: nothing is guessed. What does not fit is refused with its path (`request.stops[3].lat: expected a number, got
"x"`); what `show` makes is taken as it is.

    bool, integers, double   as in JSON; a double also as "NaN", "Infinity", "-Infinity"
    string                   text
    binary                   base64 text
    enum                     the member's name, or its number
    list, set                list
    map                      object whose keys are texts ("5", "true", an enum's name), or a list of [key, value]
    struct, exception        object; a field that is null counts as absent
    union                    object with exactly one field
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract.jsonform.spec import is_union, split
from mesh.contract.model import Field
from mesh.contract.typespec import Spec, spec_of
from mesh.contract.words import nearest

MAX_DEPTH = 64  # of nested values; deeper JSON is an accident or an attack
_RANGES = {TType.BYTE: 8, TType.I16: 16, TType.I32: 32, TType.I64: 64}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class BodyError(ValueError):
    """JSON that does not fit the contract. `path` is the place, `reason` what is wrong there."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


def parse(text: str) -> Any:
    """Strict JSON: no NaN, no key twice in one object, bounded depth. Raises BodyError."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BodyError("", f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except BodyError:
        raise
    except ValueError as error:  # a number of more than 4300 digits
        raise BodyError("", f"not JSON that can be read: {error}") from None
    except RecursionError:
        raise BodyError("", "the JSON is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise BodyError("", f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return made


def _no_constant(name: str) -> Any:
    raise BodyError("", f"{name} is no JSON; write it as text where a double is expected")


def arguments(args_class: type, parameters: Iterable[Field], body: Any) -> tuple[Any, ...]:
    """The method's arguments, in the order of its parameters, out of `{"parameter": value}`. Raises BodyError."""
    named = list(parameters)
    if not isinstance(body, dict):
        raise BodyError("", f"expected an object of the parameters {_names(named)}, got {_shown(body)}")
    specs: Mapping[int, tuple[Any, ...]] = args_class.thrift_spec  # type: ignore[attr-defined]
    for key in body:
        if all(parameter.name != key for parameter in named):
            raise BodyError(key, _unknown_parameter(key, named, specs))
    values = []
    for parameter in named:
        given = body.get(parameter.name)
        if _lacks(parameter, body):
            raise BodyError(parameter.name, f"missing: the method's parameter of type {parameter.type}")
        values.append(None if given is None else from_json(spec_of(specs[parameter.id]), given, parameter.name))
    return tuple(values)


def _lacks(parameter: Field, body: Mapping[str, Any]) -> bool:
    """A parameter that is neither `required` nor `optional` may be left out, but only by an explicit null."""
    if parameter.default is not None or parameter.required is False or body.get(parameter.name) is not None:
        return False
    return bool(parameter.required) or parameter.name not in body


def _unknown_parameter(key: str, named: list[Field], specs: Mapping[int, tuple[Any, ...]]) -> str:
    if len(named) == 1:
        kind, what = split(spec_of(specs[named[0].id]))
        if kind == TType.STRUCT and any(field.name == key for field in what.__mesh_fields__):
            return f'no such parameter; the body is by parameter: {{"{named[0].name}": {{"{key}": ...}}}}'
    return "no such parameter" + _guess(key, [parameter.name for parameter in named])


def from_json(spec: Spec, value: Any, path: str, depth: int = 0) -> Any:
    """`value` as the type `spec`. Raises BodyError."""
    if depth > MAX_DEPTH:
        raise BodyError(path, f"nested deeper than {MAX_DEPTH}")
    kind, what = split(spec)
    if kind == TType.STRUCT:
        return _struct(what, value, path, depth)
    if kind in (TType.LIST, TType.SET):
        if not isinstance(value, list):
            raise BodyError(path, f"expected a list, got {_shown(value)}")
        items = [from_json(what, item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        return items if kind == TType.LIST else _as_set(items, path)
    if kind == TType.MAP:
        return _map(what, value, path, depth)
    if kind == TType.I32 and what is not None:
        return _enum(what, value, path)
    return _SCALARS[kind](kind, value, path)


def _struct(cls: type, value: Any, path: str, depth: int) -> Any:
    if not isinstance(value, dict):
        raise BodyError(path, f"expected an object ({cls.__name__}), got {_shown(value)}")
    fields: tuple[Field, ...] = cls.__mesh_fields__  # type: ignore[attr-defined]
    specs: Mapping[int, tuple[Any, ...]] = cls.thrift_spec  # type: ignore[attr-defined]
    by_name = {field.name: field for field in fields}
    values: dict[str, Any] = {}
    for key, item in value.items():
        field = by_name.get(key)
        if field is None:
            raise BodyError(f"{path}.{key}", f"{cls.__name__} has no such field" + _guess(key, by_name))
        if item is not None:
            values[key] = from_json(spec_of(specs[field.id]), item, f"{path}.{key}", depth + 1)
    if is_union(cls) and len(values) != 1:
        raise BodyError(path, f"{cls.__name__} is a union: give exactly one of {_names(fields)}, got {len(values)}")
    for field in fields:
        if field.required and field.name not in values and field.default is None:
            raise BodyError(f"{path}.{field.name}", f"missing: {cls.__name__} requires it ({field.type})")
    return cls(**values)


def _as_set(items: list[Any], path: str) -> set[Any]:
    try:
        made = {_hashable(item) for item in items}
    except TypeError:
        raise BodyError(path, "a set of this type has no Python form") from None
    if len(made) < len(items):
        raise BodyError(path, "a set holds each value once, one stands twice")
    return made


def _hashable(value: Any) -> Any:
    """Lists and sets as a set's element or a map's key can be."""
    if isinstance(value, list):
        return tuple(_hashable(item) for item in value)
    return frozenset(value) if isinstance(value, set) else value


def _map(what: Any, value: Any, path: str, depth: int) -> dict[Any, Any]:
    key_spec, value_spec = what
    if isinstance(value, dict):
        pairs = [(_text_key(key_spec, key, path), json.dumps(key), item) for key, item in value.items()]
    elif isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        pairs = [(key, json.dumps(key), item) for key, item in value]
    else:
        raise BodyError(path, f"expected an object or a list of [key, value], got {_shown(value)}")
    made: dict[Any, Any] = {}
    for key, shown, item in pairs:
        place = f"{path}[{shown}]"
        made_key = _hashable(from_json(key_spec, key, f"{place} key", depth + 1))
        try:
            twice = made_key in made
        except TypeError:
            raise BodyError(place, "a key of this type has no Python form") from None
        if twice:
            raise BodyError(place, "the key stands twice")
        made[made_key] = from_json(value_spec, item, place, depth + 1)
    return made


def _text_key(spec: Spec, key: str, path: str) -> Any:
    """A key of a JSON object, always text, as the JSON value that the key's type wants."""
    kind, what = split(spec)
    if kind in (TType.STRING, TType.BINARY):
        return key
    if kind == TType.I32 and what is not None:
        return int(key) if key.lstrip("-").isdecimal() else key
    if kind in (TType.STRUCT, TType.LIST, TType.SET, TType.MAP):
        raise BodyError(path, "keys of this type do not fit a JSON object: write a list of [key, value]")
    try:
        return parse(key)
    except BodyError:
        return key


def _enum(cls: Any, value: Any, path: str) -> int:
    names: Mapping[str, int] = cls._NAMES_TO_VALUES
    if isinstance(value, str):
        if value in names:
            return names[value]
        raise BodyError(path, f"{cls.__name__} has no {value!r}; it has {', '.join(names)}")
    if isinstance(value, bool) or not isinstance(value, int):
        raise BodyError(path, f"expected one of {', '.join(names)} or its number, got {_shown(value)}")
    if value not in cls._VALUES_TO_NAMES:
        known = ", ".join(f"{name} = {number}" for name, number in names.items())
        raise BodyError(path, f"{cls.__name__} has no {value}; it has {known}")
    return value


def _bool(kind: int, value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise BodyError(path, f"expected true or false, got {_shown(value)}")
    return value


def _integer(kind: int, value: Any, path: str) -> int:
    bits = _RANGES[kind]
    if isinstance(value, bool) or not isinstance(value, int):
        raise BodyError(path, f"expected an integer of {bits} bits, got {_shown(value)}")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise BodyError(path, f"{value} does not fit {bits} bits")
    return value


def _double(kind: int, value: Any, path: str) -> float:
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BodyError(path, f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise BodyError(path, f"{_shown(value)} does not fit a double") from None


def _string(kind: int, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise BodyError(path, f"expected text, got {_shown(value)}")
    return value


def _binary(kind: int, value: Any, path: str) -> bytes:
    if not isinstance(value, str):
        raise BodyError(path, f"expected base64 text, got {_shown(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BodyError(path, f"expected base64 text, got {_shown(value)}") from None


_SCALARS: dict[int, Callable[[int, Any, str], Any]] = {
    TType.BOOL: _bool,
    TType.DOUBLE: _double,
    TType.STRING: _string,
    TType.BINARY: _binary,
    **dict.fromkeys(_RANGES, _integer),
}


def _names(fields: Iterable[Field]) -> str:
    return ", ".join(field.name for field in fields) or "(none)"


def _guess(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = nearest(word, names)
    return f"; did you mean {near!r}?" if near else f"; it has {', '.join(names) or 'none'}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
