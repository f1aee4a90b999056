"""Constants and defaults: what is written, as Python values of the declared type.

One rule: a value is exactly of its type or it is refused, to the last element of the innermost list. (thriftpy2 takes
9999 for a byte and does not look inside containers at all.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract import syntax, typespec
from mesh.contract.scope import MAX_CHAIN, Scope, Unresolved
from mesh.contract.typespec import Spec

MAX_DEPTH = 32  # values inside values; reading them recurses
# Elements of all constants of a file, each counted as often as it stands. A file of a million characters holds at most
# half of it as it is; constants made of constants double with every line, and a comparison walks through all of it.
MAX_ELEMENTS = 1_000_000
# The same for those of all containers and structs that are defaults: constructors are generated from them, which takes
# 20 us an element. A default of a hundred elements belongs into the handler.
MAX_DEFAULT_ELEMENTS = 10_000

# Makes an instance of a struct's class out of its fields, once the class is ready (its own defaults are known).
MakeStruct = Callable[[int, Any, Mapping[str, Any]], Any]


class Constants:
    """The constants of one file, evaluated when first asked for, and all values written in it."""

    def __init__(self, scope: Scope, includes: Mapping[str, Constants], make_struct: MakeStruct) -> None:
        self._scope = scope
        self._by_scope: dict[int, Constants] = {id(other._scope): other for other in includes.values()}
        self._by_scope[id(scope)] = self
        self._make_struct = make_struct
        self._values: dict[str, tuple[Spec, Any]] = {}
        self._open: set[str] = set()
        self._weights: dict[int, tuple[Any, int]] = {}  # by identity, with the value, which keeps that its own
        self._elements = {MAX_ELEMENTS: 0, MAX_DEFAULT_ELEMENTS: 0}

    def constant(self, line: int, name: str) -> tuple[Spec, Any]:
        """A constant of this file: its type and value. Raises Unresolved."""
        if name not in self._values:
            node = self._scope.nodes.get(name)
            if not isinstance(node, syntax.ConstNode):
                raise Unresolved(line, f"there is no constant {name!r}{self._scope.hint(name)}")
            if name in self._open:
                raise Unresolved(node.line, f"constant {name!r} stands for itself")
            if len(self._open) >= MAX_CHAIN:
                raise Unresolved(line, f"more than {MAX_CHAIN} constants that stand for constants")
            self._open.add(name)
            try:
                spec = self._scope.resolve(node.type)
                value = self.evaluate(node.value, spec)
                self.count(node.line, value, MAX_ELEMENTS)
                self._values[name] = spec, value
            finally:
                self._open.discard(name)
        return self._values[name]

    def evaluate(self, node: syntax.Value, spec: Spec, depth: int = 0, hashed: bool = False) -> Any:
        """The value of `node` as type `spec`. `hashed`: it becomes part of a set or of a map's key."""
        if depth > MAX_DEPTH:
            raise Unresolved(node.line, f"more than {MAX_DEPTH} values inside each other")
        if isinstance(node, syntax.NameRef):
            return self._referred(node, spec)
        if isinstance(spec, int):
            return _base_value(node, spec)
        if typespec.is_enum(spec):
            return _enum_value(node, spec[1])
        if typespec.is_struct(spec):
            return self._struct_value(node, spec[1], depth)
        if spec[0] == TType.MAP:
            return self._map_value(node, spec, depth)
        return self._list_value(node, spec, depth, hashed)

    def count(self, line: int, value: Any, limit: int) -> None:
        """Takes a finished value into account, under one of the two limits. Raises Unresolved when it is passed."""
        self._elements[limit] += self._weight(value)
        if self._elements[limit] > limit:
            what = "constants" if limit == MAX_ELEMENTS else "defaults"
            raise Unresolved(line, f"more than {limit} elements in the {what} of this file")

    def _weight(self, value: Any) -> int:
        if isinstance(value, dict):
            parts = [*value, *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = list(value)
        elif hasattr(value, "__mesh_fields__"):
            parts = [getattr(value, field.name) for field in value.__mesh_fields__]
        else:
            return 1
        known = self._weights.get(id(value))
        if known is None:
            known = self._weights[id(value)] = value, 1 + sum(map(self._weight, parts))
        return known[1]

    def _referred(self, node: syntax.NameRef, spec: Spec) -> Any:
        scope, rest = self._scope.split(node.line, node.name)
        head, dot, member = rest.rpartition(".")
        cls: Any = scope.classes.get(head) if dot else None
        if cls is not None and hasattr(cls, "_NAMES_TO_VALUES"):
            if member not in cls._NAMES_TO_VALUES:
                raise Unresolved(node.line, f"enum {head!r} has no member {member!r} ({_members(cls)})")
            if typespec.is_enum(spec) and isinstance(spec, tuple) and spec[1] is not cls:
                raise _wrong(node, spec, f"{node.name} of another enum")
            return self.evaluate(syntax.Literal(node.line, cls._NAMES_TO_VALUES[member]), spec)
        found, value = self._by_scope[id(scope)].constant(node.line, rest)
        if found == spec:
            return value
        if isinstance(found, int) and not isinstance(value, bytes):  # an i32 constant as a double's default, say
            return self.evaluate(syntax.Literal(node.line, value), spec)
        raise _wrong(node, spec, f"constant {node.name} of type {typespec.text_of(found)}")

    def _list_value(self, node: syntax.Value, spec: tuple[int, Any], depth: int, hashed: bool) -> Any:
        if not isinstance(node, syntax.ListValue):
            raise _wrong(node, spec)
        if spec[0] == TType.LIST:
            items = [self.evaluate(item, spec[1], depth + 1, hashed) for item in node.items]
            return tuple(items) if hashed else items
        elements: set[Any] = set()
        for item in node.items:
            value = self.evaluate(item, spec[1], depth + 1, True)
            if value in elements:
                raise Unresolved(item.line, "the same element stands twice in a set")
            elements.add(value)
        return frozenset(elements) if hashed else elements

    def _map_value(self, node: syntax.Value, spec: tuple[int, Any], depth: int) -> dict[Any, Any]:
        if not isinstance(node, syntax.MapValue):
            raise _wrong(node, spec)
        key_spec, value_spec = spec[1]
        found: dict[Any, Any] = {}
        for key_node, value_node in node.items:
            key = self.evaluate(key_node, key_spec, depth + 1, True)
            if key in found:
                raise Unresolved(key_node.line, "the same key stands twice in a map")
            found[key] = self.evaluate(value_node, value_spec, depth + 1)
        return found

    def _struct_value(self, node: syntax.Value, cls: Any, depth: int) -> Any:
        if not isinstance(node, syntax.MapValue):
            raise _wrong(node, (TType.STRUCT, cls))
        specs = {entry[1]: typespec.spec_of(entry) for entry in cls.thrift_spec.values()}
        values: dict[str, Any] = {}
        for key, value in node.items:
            name = key.value if isinstance(key, syntax.Literal) else None
            if not isinstance(name, str) or name not in specs:
                raise Unresolved(key.line, f"{cls.__name__} has no field {_shown(key)}; it has {', '.join(specs)}")
            if name in values:
                raise Unresolved(key.line, f"field {name!r} stands twice")
            values[name] = self.evaluate(value, specs[name], depth + 1)
        return self._make_struct(node.line, cls, values)


def _base_value(node: syntax.Value, spec: int) -> Any:
    value = node.value if isinstance(node, syntax.Literal) else None
    number = isinstance(value, int) and not isinstance(value, bool)
    if spec == TType.BOOL and (isinstance(value, bool) or (number and value in (0, 1))):
        return bool(value)
    if spec in typespec.INTEGER_BITS and number:
        return _integer(node, spec)
    if spec == TType.DOUBLE and (number or isinstance(value, float)):
        return _double(node, value)
    if spec == TType.STRING and isinstance(value, str):
        return value
    if spec == TType.BINARY and isinstance(value, str):
        return value.encode()
    raise _wrong(node, spec)


def _integer(node: syntax.Value, spec: int) -> int:
    value: int = node.value  # type: ignore[union-attr, assignment]
    limit = 1 << (typespec.INTEGER_BITS[spec] - 1)
    if not -limit <= value < limit:
        raise Unresolved(node.line, f"{value} is no {typespec.text_of(spec)}: that is {-limit} to {limit - 1}")
    return value


def _double(node: syntax.Value, value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Unresolved(node.line, "the number is too large for a double")
    return number


def _enum_value(node: syntax.Value, cls: Any) -> int:
    value = node.value if isinstance(node, syntax.Literal) else None
    if not isinstance(value, int) or isinstance(value, bool) or value not in cls._VALUES_TO_NAMES:
        raise Unresolved(node.line, f"{_shown(node)} is not in enum {cls.__name__} ({_members(cls)})")
    return value


def _members(cls: Any) -> str:
    members = [f"{name} = {value}" for name, value in cls._NAMES_TO_VALUES.items()]
    return ", ".join(members[:12]) + (", ..." if len(members) > 12 else "")


def _shown(node: syntax.Value) -> str:
    if isinstance(node, syntax.Literal):
        return repr(node.value)[:60]
    if isinstance(node, syntax.NameRef):
        return node.name[:60]
    return "a list" if isinstance(node, syntax.ListValue) else "a map"


def _wrong(node: syntax.Value, spec: Spec, what: str | None = None) -> Unresolved:
    return Unresolved(node.line, f"{what or _shown(node)} is no {typespec.text_of(spec)}")
