"""What of a method is deprecated: itself, and fields that a call's arguments may set.

One rule: decided once, from the types. A method whose arguments reach no deprecated field has no finder, so that its
calls pay nothing for those that have one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from mesh.contract.model import Contract, Field, Method, Service
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


class _Plans:
    """What to look at in the structs that a service's arguments reach, for all its methods."""

    def __init__(self, service: Service) -> None:
        args_classes = [_args_class(service, method) for method in service.methods.values()]
        below = _below(spec for args in args_classes for spec in _specs(args))
        above: dict[Any, list[Any]] = {cls: [] for cls in below}
        for cls, inner in below.items():
            for one in inner:
                above[one].append(cls)
        # Upwards from the structs that have a deprecated field; types may be recursive.
        reaching: set[Any] = set()
        waiting = [cls for cls in below if any(field.deprecated is not None for field in cls.__mesh_fields__)]
        while waiting:
            cls = waiting.pop()
            if cls not in reaching:
                reaching.add(cls)
                waiting.extend(above[cls])
        self.reaching = reaching
        self.slots: dict[Any, tuple[_Slot, ...]] = {
            cls: tuple(self.slots_of(cls, cls.__mesh_fields__, f"{cls.__name__}.{{}}")) for cls in reaching
        }

    def slots_of(self, cls: Any, fields: Iterable[Field], name: str) -> Iterator[_Slot]:
        for field in fields:
            spec = spec_of(cls.thrift_spec[field.id])
            deprecated = Deprecated(name.format(field.name), field.deprecated) if field.deprecated is not None else None
            onwards = spec if any(struct in self.reaching for struct in _structs(spec)) else None
            if deprecated is not None or onwards is not None:
                yield _Slot(field.name, field.default, deprecated, onwards)


# A client or a handler is made for all methods of a service in a row, and what they share is much of the work.
@lru_cache(maxsize=8)
def _plans_of(service: Service) -> _Plans:
    return _Plans(service)


class Finder:
    """`finder(args)`: the deprecated fields that are set in a call's arguments, `all` that could be, nearest first."""

    def __init__(self, service: Service, method: Method) -> None:
        plans = _plans_of(service)
        self._classes = plans.slots
        slots = {
            slot.name: slot
            for slot in plans.slots_of(_args_class(service, method), method.parameters, f"{method.name}({{}})")
        }
        self._parameters = tuple(slots.get(parameter.name) for parameter in method.parameters)
        self.all = tuple(self._reached(slots.values()))

    def _reached(self, slots: Iterable[_Slot]) -> dict[Deprecated, None]:
        found: dict[Deprecated, None] = {}
        seen: set[Any] = set()
        waiting = deque(slots)
        while waiting:
            slot = waiting.popleft()
            if slot.deprecated is not None:
                found[slot.deprecated] = None
            for cls in _structs(slot.spec) if slot.spec is not None else ():
                if cls in self._classes and cls not in seen:
                    seen.add(cls)
                    waiting.extend(self._classes[cls])
        return found

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
    if not any(field.deprecated for field in method.parameters) and not _has_deprecated_fields(service.contract):
        return None  # the usual answer, without a walk through the types of each method
    finder = Finder(service, method)
    return finder if finder.all else None


def deprecated_in(service: Service) -> Iterator[tuple[Method, Deprecated]]:
    """All that callers of `service` should not use any more, by method, the method itself first."""
    for method in service.methods.values():
        if method.policy.deprecated is not None:
            yield method, Deprecated("", method.policy.deprecated)
        finder = finder_of(service, method)
        for each in finder.all if finder is not None else ():
            yield method, each


def _has_deprecated_fields(contract: Contract) -> bool:
    """In the file or in one that it includes."""
    seen: dict[int, Contract] = {}
    waiting = [contract]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen[id(each)] = each
            structs: Iterable[Any] = each.structs.values()
            if any(field.deprecated for struct in structs for field in struct.__mesh_fields__):
                return True
            waiting.extend(each.includes.values())
    return False


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


def _structs(spec: Spec) -> Iterator[Any]:
    """The structs that a type names."""
    if isinstance(spec, tuple) and is_struct(spec):
        yield spec[1]
    for part in parts(spec):
        yield from _structs(part)


def _args_class(service: Service, method: Method) -> Any:
    return getattr(service.thrift_class, f"{method.name}_args")


def _specs(cls: Any) -> Iterator[Spec]:
    return (spec_of(entry) for entry in cls.thrift_spec.values())


def _below(specs: Iterable[Spec]) -> dict[Any, tuple[Any, ...]]:
    """The structs reached from `specs`, each with those that its fields name."""
    below: dict[Any, tuple[Any, ...]] = {}
    waiting = deque(struct for spec in specs for struct in _structs(spec))
    while waiting:
        cls = waiting.popleft()
        if cls not in below:
            below[cls] = tuple(one for spec in _specs(cls) for one in _structs(spec))
            waiting.extend(below[cls])
    return below
