"""What `--audit` says held against what `mesh idl breaking` says, and every difference with its reason.

A failure there is `wire` here, a warning `source` or `promise`. docs/contracts.md has the same table of differences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mesh.contract.compare import Change
from mesh.contract.model import Contract
from tests.contract.breaking.audit import Opinion

_FIELD = ("field-removed", "field-id-changed", "throws-removed", "throws-id-changed")
# The codes that speak of the same thing as a sentence of --audit.
_CODES = {
    "missing function": ("method-removed", "method-renamed"),
    "missing service": ("service-removed", "service-renamed"),
    "service inheritance": ("extends-changed",),
    "return type": ("result-changed", "struct-renamed", "exception-renamed", "union-renamed", "enum-renamed"),
    "oneway": ("oneway-changed",),
    "field type": (
        "field-type-changed", "field-id-reused", "field-id-changed", "throws-type-changed", "struct-renamed",
        "union-renamed", "exception-renamed", "enum-renamed",
    ),
    "field requiredness": ("made-required", "made-optional", "field-id-changed"),
    "field removed": _FIELD,
    "required field added": ("required-added", "field-id-changed"),
    "field name": ("field-renamed", "field-id-reused", "field-id-changed", "throws-renamed"),
    "default": ("default-added", "default-removed", "default-changed", "field-id-changed"),
    "missing struct": tuple(f"{kind}-{what}" for kind in ("struct", "union", "exception")
                            for what in ("removed", "renamed", "moved")),
    "missing enum value": ("enum-value-removed", "enum-value-renumbered"),
    "enum value's name": ("enum-value-renamed", "enum-value-renumbered"),
    "missing enum": ("enum-removed", "enum-renamed", "enum-moved"),
    "namespace": (),
    "constant's value": ("constant-changed",),
    "missing constant": ("constant-removed",),
    "constant's type": ("constant-type-changed",),
}  # fmt: skip
_AGREES = {"Failure": ("wire",), "Warning": ("source", "promise")}


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` is a level, or `nothing`; `code` the change that it comes from, or empty."""

    kind: str
    severity: str
    ours: str
    code: str
    reason: str = ""


REASONS = (
    Difference("service inheritance", "Failure", "source", "extends-changed",
               "A call names the service that it goes to and no base of it; methods gone with a base are told one by "
               "one."),
    Difference("field removed", "Failure", "source", "field-removed",
               "A reader passes over a field that it does not know and takes a missing one for absent; `wire` where it "
               "was required, or an arm of a union."),
    Difference("field requiredness", "Failure", "source", "made-optional",
               "In a request only: what callers may leave out they can still send until the servers are new; `wire` "
               "in an answer."),
    Difference("missing struct", "Failure", "source", "struct-removed",
               "Names of types do not travel; where calls used it, that is told there."),
    Difference("missing struct", "Failure", "source", "exception-removed", "As for a struct."),
    Difference("missing struct", "Failure", "source", "struct-renamed", "The same bytes under another name."),
    Difference("missing struct", "Failure", "source", "struct-moved",
               "The same bytes; --audit looks into the one file only."),
    Difference("return type", "Failure", "source", "struct-renamed", "The same bytes under another name."),
    Difference("field type", "Failure", "source", "struct-renamed", "The same bytes under another name."),
    Difference("field type", "Failure", "source", "field-type-changed",
               "Another struct: what differs inside is told at its fields, and the same fields are the same bytes."),
    Difference("field type", "Failure", "nothing", "",
               "--audit compares the names of types; a typedef written out is the same type."),
    Difference("default", "Warning", "wire", "default-changed",
               "Where the field is left out, each side takes it for its own default: they misread each other."),
    Difference("default", "Warning", "wire", "default-removed", "As for a changed default."),
    Difference("field name", "Warning", "wire", "field-id-changed",
               "Names that changed places: each side reads the other's latitude as its longitude."),
    Difference("field name", "Warning", "wire", "field-id-reused",
               "The id is used again for something else, so the new name is no rename."),
    Difference("field name", "Warning", "info", "throws-renamed",
               "The name in `throws` is seen by no Python code; exceptions are caught by their class."),
    Difference("enum value's name", "Warning", "wire", "enum-value-renumbered",
               "Names that changed numbers: each side takes the one for the other."),
    Difference("namespace", "Warning", "nothing", "",
               "Modules are named by file; mesh reads no namespace."),
)  # fmt: skip


def differences(opinions: Iterable[Opinion], changes: list[Change], *contracts: Contract) -> list[Difference]:
    """Where the two do not agree, without reasons; `contracts` are the old one and the new one."""
    found = []
    for opinion in opinions:
        about = [change for change in changes if change.code in _CODES[opinion.kind]]
        about = [change for change in about if _there(opinion, change, contracts)]
        worst = min(about, key=lambda change: change.level.rank, default=None)
        ours = worst.level if worst else "nothing"
        if ours not in _AGREES[opinion.severity]:
            found.append(Difference(opinion.kind, opinion.severity, ours, worst.code if worst else ""))
    return found


def _there(opinion: Opinion, change: Change, contracts: tuple[Contract, ...]) -> bool:
    """Whether a change is about the field, method or type that an opinion names."""
    if change.code in _TYPE_RENAMED and opinion.kind != "missing struct":
        return True  # wherever the type is used
    if opinion.id is None:
        method = change.method.rpartition("::")[2]
        return opinion.name in (change.old, change.new, change.struct, change.field, change.path, method)
    names = {name for contract in contracts for name in _names(opinion.id, opinion.name, contract)}
    owners = {change.struct} if change.struct else {f"{change.method.rpartition('::')[2]}_{x}" for x in _PAYLOADS}
    return opinion.name in owners and bool({change.field, change.old} & names)


_TYPE_RENAMED = ("struct-renamed", "union-renamed", "exception-renamed", "enum-renamed")
_PAYLOADS = {"args": "parameters", "exception": "throws"}


def _names(number: int, owner: str, contract: Contract) -> set[str]:
    """What the field of an id in a struct, in parameters or in `throws` is called."""
    items: Iterable[Any] = getattr(contract.structs.get(owner), "__mesh_fields__", ())
    for suffix, attribute in _PAYLOADS.items():
        for service in contract.services.values():
            method = service.methods.get(owner.removesuffix(f"_{suffix}"))
            if method is not None and owner.endswith(f"_{suffix}"):
                items = getattr(method, attribute)
    return {item.name for item in items if item.id == number}
