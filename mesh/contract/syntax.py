"""What a `.thrift` file says, as a tree with lines: the file before anything in it was looked up or checked.

One rule: nothing is dropped and nothing is judged here. Values are as written, names are unresolved, annotations keep
their order and repetitions.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """`key = "value"`; a bare key has the value None."""

    line: int
    key: str
    value: str | None


Annotations = tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class BaseType:
    """`bool`, `i8` (also written `byte`), `i16`, `i32`, `i64`, `double`, `string` or `binary`."""

    line: int
    name: str
    annotations: Annotations = ()


@dataclass(frozen=True, slots=True)
class NamedType:
    """A struct, enum or typedef by name, `include.Name` for those of an included file."""

    line: int
    name: str
    annotations: Annotations = ()


@dataclass(frozen=True, slots=True)
class ContainerType:
    """`list` and `set` have one argument, `map` has two."""

    line: int
    name: str
    arguments: tuple[TypeNode, ...]
    annotations: Annotations = ()


TypeNode = BaseType | NamedType | ContainerType


@dataclass(frozen=True, slots=True)
class Literal:
    line: int
    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class NameRef:
    """A constant or an enum's member."""

    line: int
    name: str


@dataclass(frozen=True, slots=True)
class ListValue:
    line: int
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class MapValue:
    line: int
    items: tuple[tuple[Value, Value], ...]


Value = Literal | NameRef | ListValue | MapValue


@dataclass(frozen=True, slots=True)
class FieldNode:
    """`id` is None where the text has none."""

    line: int
    id: int | None
    required: bool | None
    type: TypeNode
    name: str
    default: Value | None
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class IncludeNode:
    line: int
    path: str


@dataclass(frozen=True, slots=True)
class NamespaceNode:
    line: int
    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class ConstNode:
    line: int
    name: str
    type: TypeNode
    value: Value
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class TypedefNode:
    line: int
    name: str
    type: TypeNode
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class EnumItem:
    line: int
    name: str
    value: int | None
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class EnumNode:
    line: int
    name: str
    items: tuple[EnumItem, ...]
    annotations: Annotations


class StructKind(enum.StrEnum):
    STRUCT = "struct"
    UNION = "union"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class StructNode:
    line: int
    name: str
    kind: StructKind
    fields: tuple[FieldNode, ...]
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class FunctionNode:
    """`result` is None for void."""

    line: int
    name: str
    oneway: bool
    result: TypeNode | None
    parameters: tuple[FieldNode, ...]
    throws: tuple[FieldNode, ...]
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class ServiceNode:
    line: int
    name: str
    extends: str | None
    functions: tuple[FunctionNode, ...]
    annotations: Annotations


Definition = ConstNode | TypedefNode | EnumNode | StructNode | ServiceNode


@dataclass(frozen=True, slots=True)
class Document:
    """One file. `definitions` stand in the order of the text."""

    includes: tuple[IncludeNode, ...]
    namespaces: tuple[NamespaceNode, ...]
    definitions: tuple[Definition, ...]
