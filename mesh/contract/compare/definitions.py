"""What a file defines by name: types that came and went, constants, typedefs, and services under another name.

One rule: names are for code. What a type's change does to calls is told where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.contract.compare.change import Level
from mesh.contract.compare.finding import Finding, value_text, was_is
from mesh.contract.compare.names import Names, home, kind_of, text_of
from mesh.contract.compare.reach import Pair
from mesh.contract.digest import canonical_value
from mesh.contract.model import Contract, Service


def common_types(old: Contract, new: Contract, names: Names) -> Iterator[Pair]:
    """The types of `old` that the new side still has, here or in another file."""
    for before, after in ((old.structs, new.structs), (old.enums, new.enums)):
        for name, cls in before.items():
            candidates = [after[name]] if name in after else names.new_by_name.get(name, [])
            same_kind = [other for other in candidates if hasattr(other, "thrift_spec") == hasattr(cls, "thrift_spec")]
            if len(same_kind) == 1:
                yield cls, same_kind[0]


def renamed_service(old: Contract, new: Contract) -> tuple[Service, Service] | None:
    """One service is gone, one is new, and they have the same methods by name."""
    gone = [service for name, service in old.services.items() if name not in new.services]
    fresh = [service for name, service in new.services.items() if name not in old.services]
    if len(gone) != 1 or len(fresh) != 1 or not gone[0].methods:
        return None
    return (gone[0], fresh[0]) if set(gone[0].methods) == set(fresh[0].methods) else None


def compare_pair(pair: Pair, names: Names) -> Iterator[Finding]:
    """What became of a type's name, file and kind."""
    old, new = pair
    kinds = kind_of(old), kind_of(new)
    if kinds[0] != kinds[1]:
        union = "union" in kinds
        text = was_is(f"a {kinds[0]}", f"a {kinds[1]}", "a union has exactly one field" if union else None)
        yield Finding(Level.WIRE if union else Level.SOURCE, "kind-changed", "", *kinds, text)
    if names.renamed(old, new):
        texts = old.__name__, new.__name__
        yield Finding(Level.SOURCE, f"{kinds[1]}-renamed", "", *texts, f"name {was_is(*texts)}")
    elif names.moved(old, new):
        files = f"{home(old).name}.thrift", f"{home(new).name}.thrift"
        yield Finding(Level.SOURCE, f"{kinds[1]}-moved", "", *files, f"file {was_is(*files)}")


def compare_definitions(old: Contract, new: Contract, names: Names, kept: set[type]) -> Iterator[tuple[str, Finding]]:
    """Findings, each with the name of the definition. `kept`: types of both sides that have a counterpart."""
    for name, cls in {**old.structs, **old.enums}.items():
        if cls not in kept:
            yield name, Finding(Level.SOURCE, f"{kind_of(cls)}-removed", "", name, "", "is gone")
    for name, cls in {**new.structs, **new.enums}.items():
        if cls not in kept:
            yield name, Finding(Level.INFO, f"{kind_of(cls)}-added", "", "", name, "is new")
    yield from _constants(old, new, names)
    yield from _typedefs(old, new, names)


def _constants(old: Contract, new: Contract, names: Names) -> Iterator[tuple[str, Finding]]:
    for name, constant in old.constants.items():
        other = new.constants.get(name)
        before = value_text(constant.value)
        if other is None:
            yield name, Finding(Level.SOURCE, "constant-removed", name, before, "", "the constant is gone")
        elif not names.same_type(constant.spec, other.spec):
            types = text_of(constant.spec, old), text_of(other.spec, new)
            yield name, Finding(Level.SOURCE, "constant-type-changed", name, *types, f"the constant {was_is(*types)}")
        elif canonical_value(constant.value) != canonical_value(other.value):
            values = before, value_text(other.value)
            yield name, Finding(Level.SOURCE, "constant-changed", name, *values, f"the constant {was_is(*values)}")
    for name in new.constants.keys() - old.constants.keys():
        text = value_text(new.constants[name].value)
        yield name, Finding(Level.INFO, "constant-added", name, "", text, f"the constant is new ({text})")


def _typedefs(old: Contract, new: Contract, names: Names) -> Iterator[tuple[str, Finding]]:
    for name, spec in old.typedefs.items():
        before = text_of(spec, old)
        if name not in new.typedefs:
            yield (
                name,
                Finding(Level.SOURCE, "typedef-removed", name, before, "", f"the typedef is gone (was {before})"),
            )
        elif not names.same_type(spec, new.typedefs[name]):
            types = before, text_of(new.typedefs[name], new)
            yield name, Finding(Level.SOURCE, "typedef-changed", name, *types, f"the typedef {was_is(*types)}")
    for name in new.typedefs.keys() - old.typedefs.keys():
        text = text_of(new.typedefs[name], new)
        yield name, Finding(Level.INFO, "typedef-added", name, "", text, f"the typedef is new ({text})")
