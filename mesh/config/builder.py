"""A mapping, as TOML gives it, into a frozen dataclass: strictly.

One rule: every refusal names the place (`file: section.key`), what was expected and what stood there.

A field may say more about itself in `metadata`: `at_least` and `at_most` (numbers), `check` (a function that raises
ValueError), `hidden` (a table of texts, none of which is ever part of a message). A field of type `Secret` called
`token` may also be given as `token_file`, a path to read it from.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mesh.config.secret import Secret

T = TypeVar("T")
FILE_SUFFIX = "_file"


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where and why."""


def nearest(word: str, known: typing.Iterable[str]) -> str | None:
    """The known word that was most likely meant."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def build(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """`mapping` as a `cls` (a dataclass). `where` begins every complaint, e.g. the file's name.

    Raises ConfigError.
    """
    return _dataclass(cls, mapping, where, "")


def convert(field: dataclasses.Field[Any], hint: Any, value: Any, where: str, path: str = "") -> Any:
    """`value` as `field` wants it, its `metadata` checked. `where` and `path` are the place for complaints."""
    converted = _value(hint, value, where, path)
    at = _at(where, path)
    if converted is None:
        return None
    low, high = field.metadata.get("at_least"), field.metadata.get("at_most")
    if low is not None and converted < low:
        raise ConfigError(f"{at}: expected at least {low}, got {value}")
    if high is not None and converted > high:
        raise ConfigError(f"{at}: expected at most {high}, got {value}")
    check: Callable[[Any], object] | None = field.metadata.get("check")
    if check is not None:
        try:
            check(converted)
        except ValueError as error:
            raise ConfigError(f"{at}: {error}") from None
    return converted


def hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dataclass(cls: type[T], mapping: Any, where: str, path: str) -> T:
    at = _at(where, path)
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{at}: expected a table, got {_shown(mapping)}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    types_by_name = hints(cls)
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        name, value = _secret_file(key, value, fields, types_by_name, _at(where, _join(path, key)))
        if name not in fields:
            raise ConfigError(_unknown(at, path, key, fields))
        if name in values:
            raise ConfigError(f"{at}: {_join(path, name)} and {_join(path, name + FILE_SUFFIX)}: state one of the two")
        inner = _join(path, key)
        if fields[name].metadata.get("hidden"):
            _check_hidden(value, _at(where, inner))
        nested = _nested(types_by_name[name])
        if nested is not None and isinstance(value, Mapping):
            values[name] = _dataclass(nested, value, where, inner)
        else:
            values[name] = convert(fields[name], types_by_name[name], value, where, inner)
    missing = [name for name, field in fields.items() if name not in values and _demanded(field)]
    if missing:
        raise ConfigError(f"{at}: missing: {', '.join(_join(path, name) for name in missing)}")
    try:
        return cls(**values)
    except ValueError as error:  # the dataclass's own __post_init__
        raise ConfigError(f"{at}: {error}") from None


def _check_hidden(value: Any, at: str) -> None:
    """Raises ConfigError for what is no table of texts: by type alone, because values here may be secrets."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{at}: expected a table, got {type(value).__name__}")
    for key, text in value.items():
        if not isinstance(text, str):
            raise ConfigError(f"{at}.{key}: expected str, got {type(text).__name__} (the value is not shown)")


def _secret_file(
    key: str, value: Any, fields: Mapping[str, object], types_by_name: Mapping[str, Any], at: str
) -> tuple[str, Any]:
    """`token_file = "path"` as `token = Secret(...)`; anything else as it is."""
    name = key.removesuffix(FILE_SUFFIX)
    if key in fields or name == key or Secret not in _arms(types_by_name.get(name)):
        return key, value
    if not isinstance(value, str):
        raise ConfigError(f"{at}: expected the path of a file, got {_shown(value)}")
    try:
        return name, Secret.from_file(Path(value))
    except ValueError as error:
        raise ConfigError(f"{at}: {error}") from None


def _value(hint: Any, value: Any, where: str, path: str) -> Any:
    """`value` as the type `hint`."""
    arms = _arms(hint)
    if len(arms) > 1:
        return _union(arms, value, where, path)
    hint = arms[0]
    at = _at(where, path)
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else _dataclass(hint, value, where, path)
    if origin is tuple:
        return _tuple(hint, value, where, path)
    if origin in (dict, Mapping, typing.get_origin(Mapping[str, int])):
        return _table(hint, value, where, path)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _enum(hint, value, at)
    return _scalar(hint, value, at)


def _union(arms: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    if value is None and types.NoneType in arms:
        return None
    complaint: ConfigError | None = None
    for arm in arms:
        if arm is types.NoneType:
            continue
        try:
            return _value(arm, value, where, path)
        except ConfigError as error:
            complaint = complaint or error
    assert complaint is not None, "a union has an arm besides None"
    raise complaint


def _tuple(hint: Any, value: Any, where: str, path: str) -> tuple[Any, ...]:
    inner = typing.get_args(hint)
    at = _at(where, path)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{at}: expected a list, got {_shown(value)}")
    if inner[-1] is Ellipsis:
        return tuple(_value(inner[0], item, where, f"{path}[{index}]") for index, item in enumerate(value))
    if len(value) != len(inner):
        raise ConfigError(f"{at}: expected {len(inner)} values, got {len(value)}")
    return tuple(
        _value(arm, item, where, f"{path}[{index}]") for index, (arm, item) in enumerate(zip(inner, value, strict=True))
    )


def _table(hint: Any, value: Any, where: str, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{_at(where, path)}: expected a table, got {_shown(value)}")
    inner = typing.get_args(hint)[1]
    return types.MappingProxyType(
        {str(key): _value(inner, item, where, _join(path, str(key))) for key, item in value.items()}
    )


def _enum(hint: type[enum.Enum], value: Any, at: str) -> enum.Enum:
    try:
        return hint(value)
    except ValueError:
        allowed = ", ".join(str(member.value) for member in hint)
        raise ConfigError(f"{at}: expected one of {allowed}; got {_shown(value)}") from None


_SCALARS: dict[type, str] = {bool: "true or false", int: "int", float: "a number", str: "str"}


def _scalar(hint: Any, value: Any, at: str) -> Any:
    if hint is typing.Any or (type(value) is hint):
        if hint is float and not math.isfinite(value):
            raise ConfigError(f"{at}: expected a finite number, got {value}")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if hint in (Secret, Path):
        if isinstance(value, Path) and hint is Path:
            return value
        if not isinstance(value, str) or not value:
            raise ConfigError(
                f"{at}: expected a text that is not empty, got {'***' if hint is Secret else _shown(value)}"
            )
        return hint(value)
    if hint not in _SCALARS:
        raise TypeError(f"{at}: a configuration cannot hold the type {hint!r}")
    raise ConfigError(f"{at}: expected {_SCALARS[hint]}, got {_shown(value)}")


def _arms(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _nested(hint: Any) -> Any:
    """The dataclass that a field holds, if it holds one."""
    for arm in _arms(hint):
        if isinstance(arm, type) and dataclasses.is_dataclass(arm):
            return arm
    return None


def _demanded(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _unknown(at: str, path: str, key: str, known: typing.Iterable[str]) -> str:
    names = list(known)
    guess = nearest(key, names)
    hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(names)}"
    where = at if not path else at.removesuffix(f": {path}")
    return f"{where}: {_join(path, key)}: unknown key; {hint}"


def _at(where: str, path: str) -> str:
    return f"{where}: {path}" if path else where


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    """What stood there, by type and beginning; a whole file must not end up in a message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
