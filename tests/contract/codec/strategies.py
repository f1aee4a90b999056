"""Hypothesis strategies for every type: values as a user of the classes would build them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mesh.contract.codec import types as spec
from mesh.contract.codec.types import Type
from tests.contract.codec.apache import slots_of
from tests.contract.codec.everything import types

_DEPTH = 2  # structs inside structs
_BITS = {spec.BYTE: 8, spec.I16: 16, spec.I32: 32, spec.I64: 64}
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.just("é" * 200)


def values(type: Type, depth: int = _DEPTH, hashed: bool = False) -> st.SearchStrategy[Any]:
    """Valid values of `type`; hashable ones for a set's element or a map's key."""
    if type.is_enum:
        return st.sampled_from(sorted(type.cls._VALUES_TO_NAMES))
    if type.code in _BITS:
        limit = 1 << (_BITS[type.code] - 1)
        return st.integers(-limit, limit - 1)
    if type.code == spec.BOOL:
        return st.booleans()
    if type.code == spec.DOUBLE:
        return st.floats(allow_nan=not hashed)
    if type.code == spec.STRING:
        return st.binary(max_size=12) | st.just(b"\xff" * 300) if type.binary else _TEXT
    if type.code == spec.STRUCT:
        return structs(type.cls, depth - 1)
    if type.code == spec.MAP:
        key, value = type.args
        return st.dictionaries(values(key, depth, True), values(value, depth), max_size=2) if depth > 0 else st.just({})
    items: st.SearchStrategy[list[Any]] = st.just([])  # too deep: recursive structs must end somewhere
    if depth > 0:
        items = st.lists(values(type.args[0], depth, hashed or type.code == spec.SET), max_size=3)
    if type.code == spec.SET:
        return items.map(frozenset if hashed else set)
    return items.map(tuple) if hashed else items


def structs(cls: Any, depth: int = _DEPTH) -> st.SearchStrategy[Any]:
    if cls is types.Choice:
        arms = [values(slot.type, depth).map(lambda v, name=slot.name: cls(**{name: v})) for slot in slots_of(cls)]
        return st.one_of(arms)
    fields = {}
    for slot in slots_of(cls):
        required = slot.field.required
        if not required and depth <= 0 and slot.type.code == spec.STRUCT:
            continue
        held = values(slot.type, depth)
        fields[slot.name] = held if required else st.none() | held
    # Field by field and not `builds(cls, ...)`: Hypothesis would look for type hints on the class.
    return st.fixed_dictionaries(fields).map(lambda given: cls(**given))


def full(cls: Any) -> st.SearchStrategy[Any]:
    """Structs in which every field is set, as the fast encoder wants them."""
    return st.fixed_dictionaries({slot.name: values(slot.type) for slot in slots_of(cls)}).map(lambda v: cls(**v))
