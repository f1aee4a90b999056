"""What of a method is deprecated: itself, and fields that a call's arguments may set.

One rule: decided once, from the types. A method whose arguments reach no deprecated field has no finder, so that its
calls pay nothing for those that have one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mesh.contract.model import Field, Method, Service
from mesh.contract.typespec import Spec, is_container, is_struct, parts, spec_of

# Structs and containers of one call that are looked into: some 200 us. A list of 100,000 stops that all set the same
# old field need not be read to its end to find it.
MAX_LOOKED = 1_000


@dataclass(frozen=True, slots=True)
class Deprecated:
    """A field (`QuoteRequest.km`), a parameter (`quote(tariff)`), or, without a name, the method itself."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field worth a look: deprecated itself, or on the way to one that is (`spec`)."""

    name: str
    default: Any
    deprecated: Deprecated | None
    spec: Spec | None


class Finder:
    """`finder(args)`: the deprecated fields that are set in a call's arguments, `all` that could be."""

    def __init__(self, method: Method, args_class: Any) -> None:
        self._classes: dict[Any, tuple[_Slot, ...]] = {}
        reaching = _reaching(spec_of(entry) for entry in args_class.thrift_spec.values())
        for cls in reaching:
            self._classes[cls] = tuple(_slots(cls, cls.__mesh_fields__, f"{cls.__name__}.{{}}".format, reaching))
        slots = {
            slot.name: slot for slot in _slots(args_class, method.parameters, f"{method.name}({{}})".format, reaching)
        }
        self._parameters = tuple(slots.get(parameter.name) for parameter in method.parameters)
        every = [slot for slot in (*self._parameters, *(one for all in self._classes.values() for one in all)) if slot]
        self.all = tuple(dict.fromkeys(slot.deprecated for slot in every if slot.deprecated is not None))

    def __call__(self, args: tuple[Any, ...]) -> list[Deprecated]:
        """A field counts as set when it is neither None nor its default: after decoding nothing tells those apart.

        `args` may be anything that a caller passes; what does not fit the contract is passed over.
        """
        found: dict[Deprecated, None] = {}
        waiting: list[tuple[Spec, Any]] = []
        for slot, value in zip(self._parameters, args, strict=False):
            if slot is not None:
                _look(slot, value, found, waiting)
        looked = 0
        while waiting and looked < MAX_LOOKED:
            looked += 1
            spec, value = waiting.pop()
            if is_struct(spec):
                self._struct(spec, value, found, waiting)
            else:
                _items(spec, value, waiting)
        return list(found)

    def _struct(self, spec: Any, value: Any, found: dict[Deprecated, None], waiting: list[tuple[Spec, Any]]) -> None:
        if isinstance(value, spec[1]):
            for slot in self._classes[spec[1]]:
                _look(slot, getattr(value, slot.name, None), found, waiting)


def finder_of(service: Service, method: Method) -> Finder | None:
    """None when no argument of `method` reaches a deprecated field."""
    finder = Finder(method, getattr(service.thrift_class, f"{method.name}_args"))
    return finder if finder.all else None


def deprecated_in(service: Service) -> Iterator[tuple[Method, Deprecated]]:
    """All that callers of `service` should not use any more, by method, the method itself first."""
    for method in service.methods.values():
        if method.policy.deprecated is not None:
            yield method, Deprecated("", method.policy.deprecated)
        finder = finder_of(service, method)
        for each in finder.all if finder is not None else ():
            yield method, each


def _look(slot: _Slot, value: Any, found: dict[Deprecated, None], waiting: list[tuple[Spec, Any]]) -> None:
    if value is None:
        return
    if slot.deprecated is not None and (slot.default is None or value != slot.default):
        found[slot.deprecated] = None
    if slot.spec is not None:
        waiting.append((slot.spec, value))


def _items(spec: Spec, value: Any, waiting: list[tuple[Spec, Any]]) -> None:
    inner = parts(spec)
    if isinstance(value, Mapping):
        sides: tuple[Iterable[Any], ...] = (value.keys(), value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        sides = (value,)
    else:
        return
    for part, values in zip(inner, sides, strict=False):
        if is_container(part) or is_struct(part):
            waiting.extend((part, item) for item in islice(values, MAX_LOOKED))


def _slots(cls: Any, fields: Iterable[Field], name: Any, reaching: dict[Any, None]) -> Iterator[_Slot]:
    for field in fields:
        spec = spec_of(cls.thrift_spec[field.id])
        deprecated = Deprecated(name(field.name), field.deprecated) if field.deprecated is not None else None
        onwards = spec if any(struct in reaching for struct in _structs(spec)) else None
        if deprecated is not None or onwards is not None:
            yield _Slot(field.name, field.default, deprecated, onwards)


def _structs(spec: Spec) -> Iterator[Any]:
    """The structs that a type names."""
    if isinstance(spec, tuple) and is_struct(spec):
        yield spec[1]
    for part in parts(spec):
        yield from _structs(part)


def _reaching(specs: Iterable[Spec]) -> dict[Any, None]:
    """The structs reached from `specs` that have a deprecated field, in themselves or further down; nearest first."""
    below: dict[Any, tuple[Any, ...]] = {}
    waiting = deque(struct for spec in specs for struct in _structs(spec))
    while waiting:
        cls = waiting.popleft()
        if cls not in below:
            below[cls] = tuple(one for entry in cls.thrift_spec.values() for one in _structs(spec_of(entry)))
            waiting.extend(below[cls])
    found = {cls for cls in below if any(field.deprecated is not None for field in cls.__mesh_fields__)}
    grown = True
    while grown:  # types may be recursive
        more = {cls for cls, inner in below.items() if cls not in found and not found.isdisjoint(inner)}
        found |= more
        grown = bool(more)
    return {cls: None for cls in below if cls in found}
