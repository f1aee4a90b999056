"""The fields of a struct or the parameters of a method, as two versions have them: matched, and their types fitted.

One rule: on the wire an id is the field; for people its name is. A name that went to another id was moved, an id whose
name is gone was renamed or is used again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract import typespec
from mesh.contract.model import Field, Method, Service
from mesh.contract.typespec import Spec


@dataclass(frozen=True, slots=True)
class Record:
    fields: tuple[Field, ...]  # in the order of the text
    specs: Mapping[int, Spec]


@dataclass(frozen=True, slots=True)
class Match:
    """A field in both, or in one of the two."""

    old: Field | None
    new: Field | None
    moved: bool = False  # one name, two ids


def record_of(cls: Any) -> Record:
    """A struct's, union's or exception's."""
    return Record(cls.__mesh_fields__, {number: typespec.spec_of(entry) for number, entry in cls.thrift_spec.items()})


def parameters_of(service: Service, method: Method) -> Record:
    entries = getattr(service.thrift_class, f"{method.name}_args").thrift_spec
    return Record(method.parameters, {number: typespec.spec_of(entry) for number, entry in entries.items()})


def result_of(service: Service, method: Method) -> Spec | None:
    """None for void."""
    entry = getattr(service.thrift_class, f"{method.name}_result").thrift_spec.get(0)
    return None if entry is None else typespec.spec_of(entry)


def matches(old: Record, new: Record) -> Iterator[Match]:
    """Every field of both once: the old ones by id, then those that are new."""
    old_names, new_names = ({field.name: field for field in record.fields} for record in (old, new))
    new_ids = {field.id: field for field in new.fields}
    taken: set[str] = set()
    for field in sorted(old.fields, key=lambda field: field.id):
        other = new_names.get(field.name)
        moved = other is not None and other.id != field.id
        if other is None:
            other = new_ids.get(field.id)
            if other is not None and other.name in old_names:
                other = None  # that one came from elsewhere
        if other is not None:
            taken.add(other.name)
        yield Match(field, other, moved)
    for field in sorted(new.fields, key=lambda field: field.id):
        if field.name not in taken:
            yield Match(None, field)


def fits(writer: Spec, reader: Spec) -> bool:
    """Whether what is written as the one type can always be read as the other, apart from what is inside structs and
    which members enums have. (The wire has one type for strings and binary, and one for enums and i32.)
    """
    if isinstance(writer, int) or isinstance(reader, int):
        return writer == reader or (reader == TType.BINARY and writer == TType.STRING) or _enum_as_i32(writer, reader)
    if writer[0] != reader[0]:
        return False
    inner = zip(typespec.parts(writer), typespec.parts(reader), strict=True)
    return all(fits(one, other) for one, other in inner)


def _enum_as_i32(writer: Spec, reader: Spec) -> bool:
    return reader == TType.I32 and typespec.is_enum(writer)


def inner_types(old: Spec, new: Spec, step: str = "") -> Iterator[tuple[str, type, type]]:
    """Structs and enums that stand at the same place in both types, with the way to them (`[]`, `{}` for a map's value,
    `{key}` for its key)."""
    if isinstance(old, int) or isinstance(new, int) or old[0] != new[0]:
        return
    if not typespec.is_container(old):
        if typespec.is_enum(old) == typespec.is_enum(new):
            yield step, old[1], new[1]
        return
    steps = ("{key}", "{}") if old[0] == TType.MAP else ("[]",)
    for more, one, other in zip(steps, typespec.parts(old), typespec.parts(new), strict=True):
        yield from inner_types(one, other, step + more)
