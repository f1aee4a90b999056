"""Fields and parameters: what became of each.

One rule: a verdict about the wire names who refuses whom; where nobody meets so, it is about code or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mesh.contract.compare.change import Level
from mesh.contract.compare.finding import Finding, value_text, was_is, wire_or
from mesh.contract.compare.names import Names, text_of
from mesh.contract.compare.pairing import Flows
from mesh.contract.compare.record import Match, Record, fits, matches
from mesh.contract.digest import canonical_value
from mesh.contract.model import Contract, Field
from mesh.contract.typespec import Spec

_MISREAD = "peers misread each other"
_REQUIREDNESS = {True: "required", False: "optional", None: "neither required nor optional"}
_BOUNDS = (("min", -1), ("max", 1), ("max_length", 1))  # 1: a larger bound allows more


@dataclass(frozen=True, slots=True)
class Records:
    """Two versions of one struct, or of one method's parameters, and the messages in which they travel."""

    old: Record
    new: Record
    contracts: tuple[Contract, Contract]  # that define them
    flows: Flows
    names: Names
    union: bool = False
    parameters: bool = False

    def compare(self) -> Iterator[Finding]:
        for match in matches(self.old, self.new):
            yield from self._match(match)
        if self.parameters:
            yield from self._order()

    def _match(self, match: Match) -> Iterator[Finding]:
        if match.old is None:
            assert match.new is not None
            yield self._added(match.new)
        elif match.new is None:
            yield self._removed(match.old)
        elif match.moved:
            old, new = f"id {match.old.id}", f"id {match.new.id}"
            text = was_is(old, new, f"{_MISREAD}, or miss it")
            yield Finding(Level.WIRE, "field-id-changed", match.new.name, old, new, text)
        else:
            yield from self._changed(match.old, match.new)

    # -- there and gone

    def _added(self, field: Field) -> Finding:
        type_ = self._type(field, new=True)
        shown = f"{_REQUIREDNESS[field.required]} {type_}" if field.required is not None else type_
        if field.required:
            refusal = self.flows.forward()
            text = f"is new and required ({type_}){_because(refusal, ' that do not have it')}"
            return Finding(wire_or(Level.SOURCE, refusal), "required-added", field.name, "", shown, text)
        refusal = self.flows.backward(by_choice=True) if self.union else None
        level = wire_or(Level.INFO, refusal)
        text = f"is new ({type_}){_because(refusal, ' that hold it')}"
        if self.parameters and not self._may_be_left_out(field):
            level, text = Level.SOURCE, f"{text}: callers must give it now; make it optional or give it a default"
        return Finding(level, "field-added", field.name, "", shown, text)

    def _may_be_left_out(self, field: Field) -> bool:
        """Whether calls of the old parameters are still good Python."""
        last = len(self.old.fields) <= self.new.fields.index(field)
        return last and (field.default is not None or field.required is False)

    def _removed(self, field: Field) -> Finding:
        type_ = self._type(field, new=False)
        refusal = None
        if self.union:
            refusal = _because(self.flows.forward(), " that hold it")
        elif field.required:
            refusal = _because(self.flows.backward(by_choice=False), ": they need it")
        text = f"is gone (was {type_}){refusal or ''}"
        return Finding(wire_or(Level.SOURCE, refusal), "field-removed", field.name, type_, "", text)

    def _order(self) -> Iterator[Finding]:
        common = {field.name for field in self.old.fields} & {field.name for field in self.new.fields}
        old, new = (
            ", ".join(field.name for field in record.fields if field.name in common) for record in (self.old, self.new)
        )
        if old != new:
            text = f"parameters were in the order ({old}), are now ({new}): positional arguments end up elsewhere"
            yield Finding(Level.SOURCE, "parameters-reordered", "", old, new, text)

    # -- changed

    def _changed(self, old: Field, new: Field) -> Iterator[Finding]:
        before, after = self.old.specs[old.id], self.new.specs[new.id]
        refusal = self._type_refusal(before, after)
        if old.name != new.name:
            yield self._renamed(old, new, refusal)
        elif refusal:
            types = self._type(old, new=False), self._type(new, new=True)
            yield Finding(Level.WIRE, "field-type-changed", new.name, *types, was_is(*types, refusal))
        elif not self.names.same_type(before, after):
            types = self._type(old, new=False), self._type(new, new=True)
            yield Finding(Level.SOURCE, "field-type-changed", new.name, *types, was_is(*types))
        yield from self._requiredness(old, new)
        if fits(before, after) or fits(after, before):
            yield from self._default(old, new)
            yield from _constraints(old, new, self.flows)
        yield from _marks(old, new)

    def _type_refusal(self, old: Spec, new: Spec) -> str | None:
        forward = None if fits(old, new) else self.flows.forward()
        return forward or (None if fits(new, old) else self.flows.backward(by_choice=False))

    def _renamed(self, old: Field, new: Field, refusal: str | None) -> Finding:
        before, after = self._type(old, new=False), self._type(new, new=True)
        if refusal:
            was, now = f"{old.name} ({before})", f"{new.name} ({after})"
            text = f"id {old.id} {was_is(was, now, refusal)}"
            return Finding(Level.WIRE, "field-id-reused", new.name, was, now, text)
        text = f"id {old.id} {was_is(old.name, new.name)}"
        return Finding(Level.SOURCE, "field-renamed", new.name, old.name, new.name, text)

    def _requiredness(self, old: Field, new: Field) -> Iterator[Finding]:
        if old.required is new.required:
            return
        words = _REQUIREDNESS[old.required], _REQUIREDNESS[new.required]
        if new.required:
            refusal = self.flows.forward()
            code, level = "made-required", wire_or(Level.SOURCE, refusal)
        elif old.required:
            refusal = self.flows.backward(by_choice=True)
            code = "made-optional"  # with a default it is still never None in code
            level = wire_or(Level.SOURCE if new.default is None else Level.INFO, refusal)
        else:
            refusal, code = None, "optionality-changed"
            given = self.parameters and new.required is None and new.default is None
            level = Level.SOURCE if given else Level.INFO
        yield Finding(level, code, new.name, *words, was_is(*words) + _because(refusal, " that do not have it"))

    def _default(self, old: Field, new: Field) -> Iterator[Finding]:
        if canonical_value(old.default) == canonical_value(new.default):
            return
        texts = value_text(old.default), value_text(new.default)
        said = f"default {was_is(*texts)}"
        if old.default is None:
            yield Finding(Level.SOURCE, "default-added", new.name, *texts, f"{said}: absent is no longer None in code")
            return
        code = "default-removed" if new.default is None else "default-changed"
        if old.required or new.required:
            yield Finding(Level.SOURCE, code, new.name, *texts, said)
        else:
            yield Finding(Level.WIRE, code, new.name, *texts, f"{said}: {_MISREAD} where it is left out")

    def _type(self, field: Field, *, new: bool) -> str:
        record = self.new if new else self.old
        return text_of(record.specs[field.id], self.contracts[new])


def _because(refusal: str | None, detail: str) -> str:
    return f": {refusal}{detail}" if refusal else ""


def _constraints(old: Field, new: Field, flows: Flows) -> Iterator[Finding]:
    for name, sign in _BOUNDS:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        tighter = after is not None and (before is None or sign * after < sign * before)
        texts = _bound(name, before), _bound(name, after)
        refusal = flows.forward() if tighter else flows.backward(by_choice=True)
        level = wire_or(Level.SOURCE if tighter else Level.INFO, refusal)
        code = "bound-tightened" if tighter else "bound-loosened"
        text = was_is(*texts) + _because(refusal, " outside " + texts[1 if tighter else 0])
        yield Finding(level, code, new.name, *texts, text)
    if old.pattern != new.pattern:
        # Whether one pattern allows all that another does is not asked: it may allow less unless it is gone.
        refusal = (flows.forward() if new.pattern else None) or (
            flows.backward(by_choice=True) if old.pattern else None
        )
        level = wire_or(Level.SOURCE if new.pattern else Level.INFO, refusal)
        texts = _bound("pattern", old.pattern), _bound("pattern", new.pattern)
        yield Finding(level, "pattern-changed", new.name, *texts, was_is(*texts) + _because(refusal, " that differ"))


def _bound(name: str, value: float | str | None) -> str:
    return f"no {name}" if value is None else f"{name} {value}"


def _marks(old: Field, new: Field) -> Iterator[Finding]:
    if old.pii != new.pii:
        lost = "no longer pii: it may appear in logs, records and output"
        yield Finding(
            Level.PROMISE if old.pii else Level.INFO,
            "pii-lost" if old.pii else "pii-added",
            new.name,
            "pii" if old.pii else "",
            "pii" if new.pii else "",
            f"is {lost if old.pii else 'pii now'}",
        )
    yield from deprecation(new.name, old.deprecated, new.deprecated)


def deprecation(field: str, old: str | None, new: str | None) -> Iterator[Finding]:
    """Of a field, or of a method (`field` empty)."""
    if old == new:
        return
    code = "added" if old is None else "removed" if new is None else "reworded"
    text = f"is deprecated: {new}" if new is not None else "is no longer deprecated"
    yield Finding(Level.INFO, f"deprecated-{code}", field, old or "", new or "", text)
