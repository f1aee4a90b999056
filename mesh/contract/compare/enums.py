"""Enums: numbers travel, names are for code.

One rule: a number that is no member is refused, so a new member is news for whoever reads, and a lost one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mesh.contract.compare.change import Level
from mesh.contract.compare.finding import Finding, was_is, wire_or
from mesh.contract.compare.pairing import Flows


def compare_enums(old: Any, new: Any, flows: Flows) -> Iterator[Finding]:
    before: dict[str, int] = old._NAMES_TO_VALUES
    after: dict[str, int] = new._NAMES_TO_VALUES
    for name, number in before.items():
        if name in after:
            if after[name] != number:
                texts = str(number), str(after[name])
                text = was_is(*texts, "peers misread each other, or refuse it")
                yield Finding(Level.WIRE, "enum-value-renumbered", name, *texts, text)
            continue
        other = new._VALUES_TO_NAMES.get(number)
        if other is not None and other not in before:
            text = f"{number} {was_is(name, other)}"
            yield Finding(Level.SOURCE, "enum-value-renamed", other, name, other, text)
        else:
            refusal = flows.forward()
            text = f"is gone (was {number}){f': {refusal} that hold it' if refusal else ''}"
            yield Finding(wire_or(Level.SOURCE, refusal), "enum-value-removed", name, str(number), "", text)
    for name, number in after.items():
        if name not in before and old._VALUES_TO_NAMES.get(number) in (None, *after):
            refusal = flows.backward(by_choice=True)
            text = f"is new ({number}){f': {refusal} that hold it' if refusal else ''}"
            yield Finding(wire_or(Level.INFO, refusal), "enum-value-added", name, "", str(number), text)
