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

_TYPES = {
    "added": "a new type",
    "removed": "the type is gone; how that shows in calls is told where it was used",
    "renamed": "another name for a type in the same places",
    "moved": "the type stands in another file now, so its import changes",
}

# Every code with what it means, in the order of docs/contracts.md.
CODES: dict[str, str] = {
    "contract-removed": "the file is gone, with its services",
    "contract-added": "a new file",
    "service-removed": "the service is gone",
    "service-renamed": "the same methods under another name of service, which stands in every call",
    "service-added": "a new service",
    "registry-name-changed": "another name in the registry and on the wire",
    "extends-changed": "the service extends another one; methods gone with it are told one by one",
    "owner-changed": "another team",
    "method-removed": "the method is gone",
    "method-renamed": "a method is gone, and the only new one takes and gives the same",
    "method-added": "a new method",
    "oneway-changed": "one side waits for an answer, the other does not",
    "result-changed": "another result type, or void where there was none",
    "parameters-reordered": "positional arguments end up elsewhere",
    "throws-added": "an exception that old callers do not know",
    "throws-removed": "an exception that new callers do not know",
    "throws-id-changed": "the same exception under another id",
    "throws-type-changed": "another exception under the same id",
    "throws-renamed": "another name in `throws`, which Python never shows",
    "fault-changed": "whose fault the exception is: counts against the SLA where it did not, or the reverse",
    "field-removed": "a field or parameter is gone",
    "field-added": "a new field or parameter that may be absent",
    "required-added": "a new field or parameter that must be there",
    "field-renamed": "the same id and a fitting type under another name",
    "field-id-changed": "the same name under another id",
    "field-id-reused": "the id means something else now",
    "field-type-changed": "another type under the same id and name",
    "made-required": "what could be absent must be there",
    "made-optional": "what was always there may be absent",
    "optionality-changed": "from `optional` to neither word, or back; the same on the wire",
    "default-added": "what is absent is read as a value, no longer as nothing",
    "default-removed": "what is absent is read as nothing, no longer as a value",
    "default-changed": "what is absent is read as another value than its sender means",
    "bound-tightened": "`min`, `max` or `max_length` allows less; also where there was no bound",
    "bound-loosened": "`min`, `max` or `max_length` allows more",
    "pattern-changed": "another `pattern`; also where there was none, or is none now",
    "pii-lost": "no longer kept out of logs and output",
    "pii-added": "kept out of logs and output",
    "kind-changed": "struct, union or exception became another of the three",
    **{
        f"{kind}-{what}": meaning
        for kind in ("struct", "union", "exception", "enum")
        for what, meaning in _TYPES.items()
    },
    "enum-value-removed": "a number that is no member any more",
    "enum-value-added": "a new member",
    "enum-value-renamed": "the same number under another name",
    "enum-value-renumbered": "the same name with another number",
    "timeout-shorter": "`timeout_ms`: calls that took as long are cut off",
    "timeout-longer": "`timeout_ms`: callers wait longer",
    "attempt-timeout-shorter": "one attempt's share got smaller",
    "attempt-timeout-longer": "one attempt's share got larger",
    "idempotent-lost": "no repeats and hedges any more",
    "idempotent-gained": "may be repeated",
    "attempts-fewer": "`attempts`",
    "attempts-more": "`attempts`",
    "hedge-lost": "`hedge`",
    "hedge-gained": "`hedge`",
    "priority-lower": "shed earlier under load",
    "priority-higher": "shed later under load",
    "sla-lowered": "an `sla.*` promises less, or nothing",
    "sla-raised": "an `sla.*` promises more",
    "sla-stated": "states what was the default, or leaves the default unstated; the figures are the same",
    "request-limit-smaller": "`max_request_bytes`: requests that passed are refused",
    "request-limit-larger": "`max_request_bytes`",
    "response-limit-smaller": "`max_response_bytes`: answers that passed are refused",
    "response-limit-larger": "`max_response_bytes`: callers of the old contract refuse what lies above theirs",
    "deprecated-added": "use warns and is counted",
    "deprecated-removed": "use no longer warns",
    "deprecated-reworded": "another reason",
    "constant-removed": "the constant is gone",
    "constant-added": "a new constant",
    "constant-changed": "another value",
    "constant-type-changed": "another type",
    "typedef-removed": "the name is gone; the type that it stood for is compared where it is used",
    "typedef-added": "a new name",
    "typedef-changed": "the name stands for another type",
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
        if self.code not in CODES:
            raise ValueError(f"{self.code!r} is no code of CODES")

    def __str__(self) -> str:
        return self.message
