"""Fields of structs, parameters and throws: ids, names, types and constraints, everything but their defaults.

One rule: a field that gets past here can be sent. Ids fit the wire's 16 bits, names fit Python, and a constraint fits
the type that it stands on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract import annotation, syntax, typespec
from mesh.contract.model import Field
from mesh.contract.problem import Findings
from mesh.contract.scope import Scope, Unresolved, name_fault
from mesh.contract.typespec import Spec

MAX_FIELD_ID = 32767  # 16 bits, signed; 0 is a result's own id

_MEASURED = (TType.STRING, TType.BINARY)


@dataclass(frozen=True, slots=True)
class Draft:
    """A field without its default. `said` are the values of its annotations, by the names of `Field`."""

    node: syntax.FieldNode
    spec: Spec
    said: Mapping[str, Any]

    def finished(self, default: Any) -> Field:
        node = self.node
        return Field(node.id or 0, node.name, typespec.text_of(self.spec), node.required, default, **self.said)


class FieldReader:
    """Reads the fields of one file. What is wrong goes to `findings`."""

    def __init__(self, scope: Scope, findings: Findings, *, foreign: bool) -> None:
        self._scope = scope
        self._findings = findings
        self._foreign = foreign

    def read(
        self,
        nodes: Sequence[syntax.FieldNode],
        owner: str,
        known: Mapping[str, annotation.Reader] = annotation.FIELD,
    ) -> list[Draft]:
        """The fields of `owner` that are sound, in the order of the text."""
        drafts: list[Draft] = []
        ids: dict[int, str] = {}
        names: set[str] = set()
        for node in nodes:
            fault = name_fault(node.name) or _id_fault(node, ids)
            if fault is None and node.name in names:
                fault = f"{owner} has the name {node.name!r} twice"
            if fault or node.id is None:
                self._findings.error(node.line, fault or "no id")
                continue
            ids[node.id] = node.name
            names.add(node.name)
            draft = self._draft(node, known)
            if draft is not None:
                drafts.append(draft)
        return drafts

    def _draft(self, node: syntax.FieldNode, known: Mapping[str, annotation.Reader]) -> Draft | None:
        said = annotation.read(node.annotations, known, "field", self._findings, foreign=self._foreign)
        try:
            spec = self._scope.resolve(node.type)
        except Unresolved as error:
            self._findings.error(error.line, error.reason)
            return None
        for reason in _misplaced(node.name, spec, said):
            self._findings.error(node.line, reason)
        if spec == TType.DOUBLE:  # 1 and 1.0 are one bound
            said |= {key: float(said[key]) for key in ("min", "max") if key in said}
        return Draft(node, spec, said)


def _id_fault(node: syntax.FieldNode, ids: Mapping[int, str]) -> str | None:
    if node.id is None:
        return f"{node.name!r} has no id; write one from 1 to {MAX_FIELD_ID} in front of it, as in 1: {node.name}"
    if not 1 <= node.id <= MAX_FIELD_ID:
        return f"{node.name!r} has the id {node.id}; ids go from 1 to {MAX_FIELD_ID}"
    if node.id in ids:
        return f"{node.name!r} has the id {node.id}, which {ids[node.id]!r} has already"
    return None


def _misplaced(name: str, spec: Spec, said: Mapping[str, Any]) -> list[str]:
    """Constraints that do not fit the field's type, each as a reason."""
    found = []
    text = typespec.text_of(spec)
    integer = spec in typespec.INTEGER_BITS
    bounds = {key: said[key] for key in ("min", "max") if key in said}
    for key, value in bounds.items():
        if not integer and spec != TType.DOUBLE:
            found.append(f"{key} is for numbers; {name!r} is a {text}")
        elif integer and not isinstance(value, int):
            found.append(f'{key} = "{value}": must be a whole number, as {name!r} is an {text}')
    if not found and len(bounds) == 2 and bounds["min"] > bounds["max"]:
        found.append(f"min {bounds['min']} is above max {bounds['max']}: no value of {name!r} could pass")
    if "max_length" in said and spec not in _MEASURED and not typespec.is_container(spec):
        found.append(f"max_length is for strings, binary and containers; {name!r} is a {text}")
    if "pattern" in said and spec != TType.STRING:
        found.append(f"pattern is for strings; {name!r} is a {text}")
    return found


def outside(value: Any, said: Mapping[str, Any]) -> str | None:
    """Why a default breaks its own field's constraints; None when it does not."""
    low, high = said.get("min"), said.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"is {value!r}, outside its own min and max"
    size = said.get("max_length")
    if size is not None and len(value) > size:
        return f"is longer than its own max_length {size}"
    pattern = said.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        return f"is {value!r}, which its own pattern does not match"
    return None


def constraints(field: Field) -> dict[str, Any]:
    """A field's constraints as `outside` takes them."""
    return {"min": field.min, "max": field.max, "max_length": field.max_length, "pattern": field.pattern}
