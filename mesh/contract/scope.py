"""The names of one file and what they stand for.

One rule: a name is looked up in its own file and, behind an include's stem, in that file; nowhere else.
"""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract import syntax, typespec
from mesh.contract.problem import Findings
from mesh.contract.typespec import Spec

MAX_NESTING = 16  # containers inside containers; deeper is a mistake, and reading it recurses
MAX_CHAIN = 64  # names that stand for names (typedefs, constants, defaults); following them recurses
MAX_HINTS = 20  # unknown names that are answered with a close one, which takes a look at every name of the file
MAX_PARTS = 64  # types in one type, typedefs written out; whoever walks a type recurses this deep at most
_CONTAINERS = {"list": TType.LIST, "set": TType.SET, "map": TType.MAP}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unresolved(Exception):
    """A name or value that means nothing; becomes a finding at the place where it stands."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def name_fault(name: str) -> str | None:
    """Why `name` cannot be a Python name here; None when it can."""
    if not _IDENTIFIER.fullmatch(name):
        return f"{name!r} is no plain name of letters, digits and underscores"
    if keyword.iskeyword(name):
        return f"{name!r} is a keyword of Python"
    if name.startswith("__"):
        return f"{name!r} starts with two underscores, which Python keeps for itself"
    return None


class Scope:
    """One file's definitions by name and its includes by stem. Lookups raise Unresolved."""

    def __init__(self, stem: str, module: ModuleType, includes: Mapping[str, Scope], findings: Findings) -> None:
        self.stem = stem
        self.module = module
        self.includes = includes
        self.findings = findings
        self.nodes: dict[str, syntax.Definition] = {}
        self.classes: dict[str, type] = {}  # structs, unions, exceptions and enums
        self.services: dict[str, type] = {}
        self.typedefs: dict[str, Spec] = {}
        self._open_typedefs: set[str] = set()
        self._hints = 0

    def declare(self, definitions: tuple[syntax.Definition, ...]) -> None:
        for node in definitions:
            fault = name_fault(node.name)
            if fault is None and node.name in self.nodes:
                first = self.nodes[node.name]
                fault = f"{node.name!r} is defined twice, first at line {first.line}"
            if fault is None and node.name in self.includes:
                fault = f"{node.name!r} is also the name of an included file"
            if fault:
                self.findings.error(node.line, fault)
            else:
                self.nodes[node.name] = node

    def split(self, line: int, name: str) -> tuple[Scope, str]:
        """The file that `name` speaks of, and the rest of the name."""
        for stem in sorted(self.includes, key=len, reverse=True):  # a stem may have dots in it
            if name.startswith(f"{stem}."):
                return self.includes[stem], name[len(stem) + 1 :]
        head, dot, _ = name.partition(".")
        if dot and head not in self.nodes:
            known = ", ".join(sorted(self.includes)) or "nothing"
            raise Unresolved(line, f"{name!r}: no file {head + '.thrift'!r} is included here (included: {known})")
        return self, name

    def resolve(self, node: syntax.TypeNode, depth: int = 0) -> Spec:
        """The spec of a type as written."""
        self._no_annotations(node)
        if depth > MAX_NESTING:
            raise Unresolved(node.line, f"more than {MAX_NESTING} containers inside each other")
        if isinstance(node, syntax.BaseType):
            return typespec.BASE[node.name]
        if isinstance(node, syntax.NamedType):
            return self.named(node.line, node.name)
        inner = tuple(self.resolve(argument, depth + 1) for argument in node.arguments)
        if node.name != "list":
            self._hashable(node.line, node.name, inner[0])
        spec = _CONTAINERS[node.name], inner if node.name == "map" else inner[0]
        if typespec.size(spec) > MAX_PARTS:
            raise Unresolved(node.line, f"a type of more than {MAX_PARTS} types; put a struct between them")
        return spec

    def _no_annotations(self, node: syntax.TypeNode) -> None:
        """An annotation right behind a type says nothing to anybody; a field's stands behind its name."""
        for note in node.annotations:
            if "." not in note.key or note.key.startswith("sla."):
                self.findings.error(
                    note.line, f"annotation {note.key!r} stands on a type and would be lost; put it behind the name"
                )

    def _hashable(self, line: int, container: str, spec: Spec) -> None:
        what = "a set's element" if container == "set" else "a map's key"
        if isinstance(spec, tuple) and spec[0] == TType.MAP:
            raise Unresolved(line, f"{typespec.text_of(spec)} cannot be {what}: Python has no hashable map")
        for part in typespec.parts(spec):
            self._hashable(line, container, part)

    def named(self, line: int, name: str) -> Spec:
        """The spec that a type's name stands for."""
        scope, rest = self.split(line, name)
        if rest in scope.classes:
            cls: Any = scope.classes[rest]
            return cls._ttype, cls
        node = scope.nodes.get(rest)
        if isinstance(node, syntax.TypedefNode):
            return scope.typedef(line, node)
        if node is None:
            raise Unresolved(line, f"there is no type {name!r}{scope.hint(rest)}")
        kind = "service" if isinstance(node, syntax.ServiceNode) else "constant"
        raise Unresolved(line, f"{name!r} is a {kind}, not a type")

    def typedef(self, line: int, node: syntax.TypedefNode) -> Spec:
        if node.name not in self.typedefs:
            if node.name in self._open_typedefs:
                raise Unresolved(node.line, f"typedef {node.name!r} stands for itself")
            if len(self._open_typedefs) >= MAX_CHAIN:
                raise Unresolved(line, f"more than {MAX_CHAIN} typedefs of typedefs")
            self._open_typedefs.add(node.name)
            try:
                self.typedefs[node.name] = self.resolve(node.type)
            finally:
                self._open_typedefs.discard(node.name)
        return self.typedefs[node.name]

    def hint(self, name: str) -> str:
        """A close name, for messages."""
        self._hints += 1
        if self._hints > MAX_HINTS:
            return ""
        close = difflib.get_close_matches(name, [*self.nodes, *typespec.BASE], n=1)
        return f"; did you mean {close[0]!r}?" if close else ""

    def service(self, line: int, name: str) -> type:
        scope, rest = self.split(line, name)
        if rest not in scope.services:
            what = "not a service" if rest in scope.nodes else "unknown"
            raise Unresolved(line, f"extends {name!r}, which is {what}")
        return scope.services[rest]
