"""What a method promises beside its types: policy and SLA.

One rule: less for the caller is `promise`, more is `info`. What only follows from another change is not told again.
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.contract.compare.change import Level
from mesh.contract.compare.fields import deprecation
from mesh.contract.compare.finding import Finding, was_is
from mesh.contract.model import Policy, Priority, Sla

_PRIORITIES = [Priority.BATCH, Priority.NORMAL, Priority.CRITICAL]


def compare_policies(old: Policy, new: Policy) -> Iterator[Finding]:
    yield from _amount("timeout_ms", old.timeout_ms, new.timeout_ms, "timeout-shorter", "timeout-longer")
    yield from _attempts(old, new)
    yield from _switch("hedge", old.hedge, new.hedge)
    ranks = _PRIORITIES.index(old.priority), _PRIORITIES.index(new.priority)
    if ranks[0] != ranks[1]:
        lower = ranks[1] < ranks[0]
        said = f"priority {was_is(old.priority, new.priority)}"
        code = "priority-lower" if lower else "priority-higher"
        yield Finding(Level.PROMISE if lower else Level.INFO, code, "", old.priority, new.priority, said)
    yield from _slas(old.sla, new.sla)
    for side in ("request", "response"):
        name = f"max_{side}_bytes"
        codes = f"{side}-limit-smaller", f"{side}-limit-larger"
        for found in _amount(name, getattr(old, name), getattr(new, name), *codes):
            refused = found.code == "response-limit-larger"
            more = ": old callers refuse an answer above theirs" if refused else ""
            level = Level.PROMISE if refused else found.level
            yield Finding(level, found.code, "", found.old, found.new, found.text + more)
    yield from deprecation("", old.deprecated, new.deprecated)


def _attempts(old: Policy, new: Policy) -> Iterator[Finding]:
    yield from _switch("idempotent", old.idempotent, new.idempotent)
    if old.idempotent == new.idempotent:
        yield from _amount("attempts", old.attempts, new.attempts, "attempts-fewer", "attempts-more")
    before, after = old.attempt_timeout_ms, new.attempt_timeout_ms
    follows = (after < before) is (new.timeout_ms < old.timeout_ms) and old.timeout_ms != new.timeout_ms
    if not follows:
        codes = "attempt-timeout-shorter", "attempt-timeout-longer"
        yield from _amount("attempt_timeout_ms", before, after, *codes)


def _slas(old: Sla, new: Sla) -> Iterator[Finding]:
    found = [
        *_amount("sla.availability", old.availability, new.availability, "sla-lowered", "sla-raised"),
        *_latency("sla.p99_ms", old.p99_ms, new.p99_ms),
        *_latency("sla.p50_ms", old.p50_ms, new.p50_ms),
        # A budget for a longer time lets more go wrong at once.
        *_amount("sla.window", -old.window_s, -new.window_s, "sla-lowered", "sla-raised", unit=" s"),
    ]
    yield from found
    if old.stated != new.stated and not found:
        texts = "stated" if old.stated else "default", "stated" if new.stated else "default"
        yield Finding(Level.INFO, "sla-stated", "", *texts, f"sla {was_is(*texts)}; the figures are the same")


def _latency(name: str, old: float | None, new: float | None) -> Iterator[Finding]:
    if old == new:
        return
    worse = new is None or (old is not None and new > old)
    texts = "none" if old is None else f"{old:g}", "none" if new is None else f"{new:g}"
    said = f"{name} {was_is(*texts)}"
    yield Finding(Level.PROMISE if worse else Level.INFO, "sla-lowered" if worse else "sla-raised", "", *texts, said)


def _amount(name: str, old: float, new: float, less: str, more: str, *, unit: str = "") -> Iterator[Finding]:
    if old != new:
        texts = f"{abs(old)}{unit}", f"{abs(new)}{unit}"
        worse = new < old
        yield Finding(
            Level.PROMISE if worse else Level.INFO, less if worse else more, "", *texts, f"{name} {was_is(*texts)}"
        )


def _switch(name: str, old: bool, new: bool) -> Iterator[Finding]:
    if old != new:
        texts = str(old).lower(), str(new).lower()
        code = f"{name}-lost" if old else f"{name}-gained"
        yield Finding(Level.PROMISE if old else Level.INFO, code, "", *texts, f"{name} {was_is(*texts)}")
