"""What differs between two contracts, and how bad it is.

One rule: a code never changes its meaning. Ignore files, scripts and colleagues go by it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """Worst first. `info` breaks nothing."""

    WIRE = "wire"  # peers misread or refuse each other
    SOURCE = "source"  # peers understand each other; code that uses the generated classes breaks
    PROMISE = "promise"  # types agree; what was promised to callers got worse
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of change: which levels it can have (by who meets whom, and where it travels), and what it means."""

    levels: tuple[Level, ...]
    meaning: str


def _code(levels: str, meaning: str) -> Code:
    return Code(tuple(map(Level, levels.split())), meaning)


_TYPES = {
    "added": _code("info", "a new type"),
    "removed": _code("source", "the type is gone; how that shows in calls is told where it was used"),
    "renamed": _code("source", "another name for a type in the same places"),
    "moved": _code("source", "the type stands in another file now, so its import changes"),
}

# Every code with what it means, in the order of docs/contracts.md.
CODES: dict[str, Code] = {
    "contract-removed": _code("wire source", "the file is gone, with its services"),
    "contract-added": _code("info", "a new file"),
    "service-removed": _code("wire", "the service is gone"),
    "service-renamed": _code("wire", "the same methods under another name of service, which stands in every call"),
    "service-added": _code("info", "a new service"),
    "registry-name-changed": _code("wire", "another name in the registry and on the wire"),
    "extends-changed": _code("source", "the service extends another one; methods gone with it are told one by one"),
    "owner-changed": _code("info", "another team"),
    "method-removed": _code("wire source", "the method is gone"),
    "method-renamed": _code("wire", "a method is gone, and the only new one takes and gives the same"),
    "method-added": _code("wire info", "a new method"),
    "oneway-changed": _code("wire", "one side waits for an answer, the other does not"),
    "result-changed": _code("wire source", "another result type, or void where there was none"),
    "parameters-reordered": _code("source", "positional arguments end up elsewhere"),
    "throws-added": _code("wire info", "an exception that old callers do not know"),
    "throws-removed": _code("wire source", "an exception that new callers do not know"),
    "throws-id-changed": _code("wire", "the same exception under another id"),
    "throws-type-changed": _code("wire", "another exception under the same id"),
    "throws-renamed": _code("info", "another name in `throws`, which Python never shows"),
    "fault-changed": _code(
        "promise", "whose fault the exception is: counts against the SLA where it did not, or the reverse"
    ),
    "field-removed": _code("wire source", "a field or parameter is gone"),
    "field-added": _code("wire source info", "a new field or parameter that may be absent"),
    "required-added": _code("wire source", "a new field or parameter that must be there"),
    "field-renamed": _code("source", "the same id and a fitting type under another name"),
    "field-id-changed": _code("wire", "the same name under another id"),
    "field-id-reused": _code("wire", "the id means something else now"),
    "field-type-changed": _code("wire source", "another type under the same id and name"),
    "made-required": _code("wire source", "what could be absent must be there"),
    "made-optional": _code("wire source info", "what was always there may be absent"),
    "optionality-changed": _code("source info", "from `optional` to neither word, or back; the same on the wire"),
    "default-added": _code("source", "what is absent is read as a value, no longer as nothing"),
    "default-removed": _code("wire source", "what is absent is read as nothing, no longer as a value"),
    "default-changed": _code("wire source", "what is absent is read as another value than its sender means"),
    "bound-tightened": _code("wire source", "`min`, `max` or `max_length` allows less; also where there was no bound"),
    "bound-loosened": _code("wire info", "`min`, `max` or `max_length` allows more"),
    "pattern-changed": _code("wire source info", "another `pattern`; also where there was none, or is none now"),
    "pii-lost": _code("promise", "no longer kept out of logs and output"),
    "pii-added": _code("info", "kept out of logs and output"),
    "kind-changed": _code("wire source", "struct, union or exception became another of the three"),
    **{f"{kind}-{what}": code for kind in ("struct", "union", "exception", "enum") for what, code in _TYPES.items()},
    "enum-value-removed": _code("wire source", "a number that is no member any more"),
    "enum-value-added": _code("wire info", "a new member"),
    "enum-value-renamed": _code("source", "the same number under another name"),
    "enum-value-renumbered": _code("wire", "the same name with another number"),
    "timeout-shorter": _code("promise", "`timeout_ms`: calls that took as long are cut off"),
    "timeout-longer": _code("info", "`timeout_ms`: callers wait longer"),
    "attempt-timeout-shorter": _code("promise", "one attempt's share got smaller"),
    "attempt-timeout-longer": _code("info", "one attempt's share got larger"),
    "idempotent-lost": _code("promise", "no repeats and hedges any more"),
    "idempotent-gained": _code("info", "may be repeated"),
    "attempts-fewer": _code("promise", "`attempts`"),
    "attempts-more": _code("info", "`attempts`"),
    "hedge-lost": _code("promise", "`hedge`"),
    "hedge-gained": _code("info", "`hedge`"),
    "priority-lower": _code("promise", "shed earlier under load"),
    "priority-higher": _code("info", "shed later under load"),
    "sla-lowered": _code("promise", "an `sla.*` promises less, or nothing"),
    "sla-raised": _code("info", "an `sla.*` promises more"),
    "sla-stated": _code(
        "info", "states what was the default, or leaves the default unstated; the figures are the same"
    ),
    "request-limit-smaller": _code("promise", "`max_request_bytes`: requests that passed are refused"),
    "request-limit-larger": _code("info", "`max_request_bytes`"),
    "response-limit-smaller": _code("promise", "`max_response_bytes`: answers that passed are refused"),
    "response-limit-larger": _code(
        "promise", "`max_response_bytes`: callers of the old contract refuse what lies above theirs"
    ),
    "deprecated-added": _code("info", "use warns and is counted"),
    "deprecated-removed": _code("info", "use no longer warns"),
    "deprecated-reworded": _code("info", "another reason"),
    "constant-removed": _code("source", "the constant is gone"),
    "constant-added": _code("info", "a new constant"),
    "constant-changed": _code("source", "another value"),
    "constant-type-changed": _code("source", "another type"),
    "typedef-removed": _code("source", "the name is gone; the type that it stood for is compared where it is used"),
    "typedef-added": _code("info", "a new name"),
    "typedef-changed": _code("source", "the name stands for another type"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. What does not apply is an empty text; `old` and `new` are for people."""

    level: Level
    code: str  # a key of CODES
    contract: str  # the file's stem that defines what changed
    service: str  # the registry's name of the service, e.g. `pricing`; of the first of `methods`
    method: str  # `Pricing::quote`: the first of `methods`
    struct: str  # struct, union, exception or enum
    field: str  # field, parameter, line of `throws`, member, constant or typedef
    path: str  # from the method to the place, as `request.stops[].place.lat` or `result.km`; else what it is about
    old: str
    new: str
    message: str  # one line: where, what it was, what it is, and what comes of it
    methods: tuple[str, ...] = ()  # every method through which the place is reached

    def __post_init__(self) -> None:
        if self.level not in CODES[self.code].levels:
            raise ValueError(f"{self.code} is never {self.level}: {self.message}")

    def __str__(self) -> str:
        return self.message
