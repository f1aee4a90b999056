"""One file's tree to its classes: names declared, types resolved, defaults made, classes prepared.

One rule: what thriftpy2's parser lets through and the wire or Python cannot carry is refused here, at its line. Every
step goes on after an error, so that a person sees all of them; no class is used before all of them passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mesh.contract import annotation, classes, codec, syntax, typespec
from mesh.contract.classes import Slot
from mesh.contract.fields import Draft, FieldReader, constraints, outside
from mesh.contract.model import FaultOf, Field
from mesh.contract.problem import Findings
from mesh.contract.scope import MAX_CHAIN, Scope, Unresolved, name_fault
from mesh.contract.syntax import StructKind
from mesh.contract.values import MAX_DEFAULT_ELEMENTS, Constants

_I32 = 2**31


class FileBuilder:
    """Makes the enums, structs, typedefs and constants of one file, and the fields that its services need."""

    def __init__(
        self,
        document: syntax.Document,
        scope: Scope,
        includes: Mapping[str, FileBuilder],
        findings: Findings,
        *,
        foreign: bool = False,
    ) -> None:
        self.scope = scope
        self.findings = findings
        self.foreign = foreign
        self.fields = FieldReader(scope, findings, foreign=foreign)
        others: dict[str, Constants] = {stem: other.constants for stem, other in includes.items()}
        self.constants: Constants = Constants(scope, others, self._make_struct)
        self._document = document
        self._nodes: dict[type, syntax.StructNode] = {}
        self._drafts: dict[type, list[Draft]] = {}
        self._open: set[type] = set()
        self._ready: set[type] = set()

    # -- the steps, in order

    def build(self) -> None:
        """Everything but the services. Findings tell what went wrong."""
        self.scope.declare(self._document.definitions)
        for node in self.scope.nodes.values():
            self._declare_class(node)
        for node in self.scope.nodes.values():
            self._resolve(node)
        if self.findings.broken:
            return  # values of broken types would only add noise
        for cls, struct in self._nodes.items():
            self._attempt(self._finish, struct.line, cls)
        for node in self.scope.nodes.values():
            if isinstance(node, syntax.ConstNode):
                self._attempt(self.constants.constant, node.line, node.name)

    def bind(self) -> None:
        """Puts constants and typedefs into the module: values, and for a typedef the Python type it stands for."""
        module = self.scope.module
        for node in self.scope.nodes.values():
            if isinstance(node, syntax.ConstNode):
                _, value = self.constants.constant(node.line, node.name)
                setattr(module, node.name, value)
                module.__thrift_meta__["consts"].append(value)
            elif isinstance(node, syntax.TypedefNode):
                setattr(module, node.name, typespec.python_type(self.scope.typedefs[node.name]))

    def read(self, notes: syntax.Annotations, known: Mapping[str, annotation.Reader], place: str) -> dict[str, Any]:
        """The annotations that stand on a `place`."""
        return annotation.read(notes, known, place, self.findings, foreign=self.foreign)

    def _attempt(self, step: Callable[..., object], *args: Any) -> None:
        try:
            step(*args)
        except Unresolved as error:
            self.findings.error(error.line, error.reason)

    # -- declaring

    def _declare_class(self, node: syntax.Definition) -> None:
        module, stem = self.scope.module, self.scope.stem
        if isinstance(node, syntax.EnumNode):
            self.read(node.annotations, annotation.NONE, "enum")
            self._add(node.name, classes.new_enum(module, stem, node.name, self._members(node)), "enums")
        elif isinstance(node, syntax.StructNode):
            cls = classes.new_struct(module, stem, node.name, node.kind)
            self._nodes[cls] = node
            self._add(node.name, cls, f"{node.kind}s")

    def _add(self, name: str, cls: type, kind: str) -> None:
        self.scope.classes[name] = cls
        setattr(self.scope.module, name, cls)
        self.scope.module.__thrift_meta__[kind].append(cls)

    def _members(self, node: syntax.EnumNode) -> dict[str, int]:
        """An enum's members. One without a value is one more than that before it; the first is 0."""
        members: dict[str, int] = {}
        taken: dict[int, str] = {}
        value = -1
        for item in node.items:
            self.read(item.annotations, annotation.NONE, "enum member")
            value = item.value if item.value is not None else value + 1
            fault = _member_fault(item.name, value, members, taken)
            if fault:
                self.findings.error(item.line, f"enum {node.name}: {fault}")
            else:
                members[item.name] = value
                taken[value] = item.name
        if not node.items:
            self.findings.error(node.line, f"enum {node.name} has no members: no value could ever be one")
        return members

    # -- resolving

    def _resolve(self, node: syntax.Definition) -> None:
        if isinstance(node, syntax.TypedefNode):
            self.read(node.annotations, annotation.NONE, "typedef")
            self._attempt(self.scope.typedef, node.line, node)
        elif isinstance(node, syntax.ConstNode):
            self.read(node.annotations, annotation.NONE, "constant")
            self._attempt(self.scope.resolve, node.type)
        elif isinstance(node, syntax.StructNode):
            self._resolve_struct(node)

    def _resolve_struct(self, node: syntax.StructNode) -> None:
        cls: Any = self.scope.classes[node.name]
        known = annotation.EXCEPTION if node.kind is StructKind.EXCEPTION else annotation.NONE
        values = self.read(node.annotations, known, node.kind)
        cls.__mesh_fault__ = values.get("fault", FaultOf.CALLER) if node.kind is StructKind.EXCEPTION else None
        drafts = self.fields.read(node.fields, f"{node.kind} {node.name}")
        if node.kind is StructKind.UNION:
            self._check_union(node)
        classes.fill_types(cls, slots_of(drafts))
        self._drafts[cls] = drafts

    def _check_union(self, node: syntax.StructNode) -> None:
        if not node.fields:
            self.findings.error(node.line, f"union {node.name} has no fields: it could never have a value")
        for item in node.fields:
            if item.required:
                self.findings.error(item.line, f"{item.name!r} cannot be required: exactly one field of a union is set")
            if item.default is not None:
                self.findings.error(item.line, f"{item.name!r} cannot have a default: it would be a second field set")

    # -- finishing: a struct that stands in another's default must be ready first

    def finished(self, drafts: Sequence[Draft]) -> tuple[Field, ...]:
        """Fields with their defaults. Raises Unresolved for a default that does not fit."""
        return tuple(self._finished(draft) for draft in drafts)

    def _finished(self, draft: Draft) -> Field:
        written = draft.node.default
        if written is None:
            return draft.finished(None)
        default = self.constants.evaluate(written, draft.spec)
        fault = outside(default, draft.said)
        if fault:
            raise Unresolved(written.line, f"the default of {draft.node.name!r} {fault}")
        if typespec.is_container(draft.spec) or typespec.is_struct(draft.spec):
            self.constants.count(written.line, default, MAX_DEFAULT_ELEMENTS)
        return draft.finished(default)

    def _finish(self, line: int, cls: type) -> None:
        if cls in self._ready:
            return
        if cls in self._open:
            raise Unresolved(line, f"the default of a field needs {cls.__name__}, whose own defaults need it again")
        if len(self._open) >= MAX_CHAIN:
            raise Unresolved(line, f"more than {MAX_CHAIN} structs whose defaults need each other")
        node = self._nodes[cls]
        self._open.add(cls)
        try:
            fields = self.finished(self._drafts[cls])
            classes.fill_defaults(cls, slots_of(self._drafts[cls], fields))
            codec.prepare(cls, fields, cls.__name__, union=node.kind is StructKind.UNION)
        except codec.CodecError as error:
            raise Unresolved(node.line, str(error)) from None
        finally:
            self._open.discard(cls)
        self._ready.add(cls)

    def _make_struct(self, line: int, cls: Any, values: Mapping[str, Any]) -> Any:
        """An instance that stands in a constant or a default. Raises Unresolved for one that could not be sent."""
        if cls in self._nodes:
            self._finish(line, cls)
        for field in cls.__mesh_fields__:
            fault = None
            if field.name in values:
                fault = outside(values[field.name], constraints(field))
            elif field.required and field.default is None:
                fault = "is required and missing"
            if fault:
                raise Unresolved(line, f"{cls.__name__}.{field.name} {fault}")
        if cls.__mesh_kind__ is StructKind.UNION and len(values) != 1:
            raise Unresolved(line, f"a union has exactly one field; {cls.__name__} has {len(values)} here")
        return cls(**values)


def _member_fault(name: str, value: int, members: Mapping[str, int], taken: Mapping[int, str]) -> str | None:
    fault = name_fault(name)
    if fault:
        return fault
    if name.startswith("_"):
        return f"{name!r} starts with an underscore, which thriftpy2 keeps for itself"
    if name in members:
        return f"{name!r} stands twice"
    if not -_I32 <= value < _I32:
        return f"{name} = {value} is no i32"
    if value in taken:
        return f"{name} and {taken[value]} both have the value {value}"
    return None


def slots_of(drafts: Sequence[Draft], fields: Sequence[Field] = ()) -> list[Slot]:
    """What a class needs of its fields; `fields` have the defaults once they are known."""
    defaults = {field.name: field.default for field in fields}
    return [
        Slot(draft.node.id or 0, draft.node.name, draft.spec, draft.node.required, defaults.get(draft.node.name))
        for draft in drafts
    ]
