"""Live rules: their form in a registry, and how long each one is in force.

One rule: expiry stands in the value and is kept by the reader's own monotonic clock, because a registry that deletes
late (or is down) must not keep a fault or a limit alive.

The form is a JSON object:

    {"value": ..., "ttl_s": 30, "written_at": 1732300000.0}

`value` is what the rule says; `ttl_s` (seconds, above 0) and `written_at` (Unix time of the writer) stand together, or
neither does and the rule holds until it is removed. A reader counts down from when it first saw these very bytes, and
starts at what is left by the two wall clocks, so that a process started late does not bring a dying rule back to life.
Clocks that disagree can only shorten that: a rule is never in force for longer than `ttl_s` after a reader saw it, and
seeing it again does not start it anew.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh.discovery.registry import ParseRule, Rule

MAX_RULES = 1000  # under one prefix; each change hands all of them to every follower
MAX_RULE_BYTES = 64 * 1024  # a rule is a few numbers; Consul itself takes 512 KiB

log = logging.getLogger("mesh.discovery")


def encode_rule(value: Any, *, ttl_s: float | None = None, written_at: float | None = None) -> bytes:
    """The bytes that a writer puts under the rule's key; with `ttl_s`, `written_at` is the writer's Unix time now."""
    rule: dict[str, Any] = {"value": value}
    if ttl_s is not None:
        rule |= {"ttl_s": ttl_s, "written_at": written_at}
    raw = json.dumps(rule, allow_nan=False).encode()
    _decode(raw)
    return raw


def _decode(raw: bytes) -> tuple[Any, float | None, float]:
    """(value, ttl_s or None, written_at). Raises ValueError with what is wrong."""
    if len(raw) > MAX_RULE_BYTES:
        raise ValueError(f"{len(raw)} bytes are more than {MAX_RULE_BYTES}")
    try:
        rule = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(rule, dict) or "value" not in rule:
        raise ValueError('no object with a "value"')
    # A mistyped "ttl" would otherwise make a rule that never ends.
    if unknown := sorted(set(rule) - {"value", "ttl_s", "written_at"}):
        raise ValueError(f"unknown field {unknown[0]!r}; known are value, ttl_s, written_at")
    if ("ttl_s" in rule) != ("written_at" in rule):
        raise ValueError("ttl_s and written_at stand together or not at all")
    if "ttl_s" not in rule:
        return rule["value"], None, 0.0
    ttl_s, written_at = _number(rule, "ttl_s"), _number(rule, "written_at")
    if ttl_s <= 0:
        raise ValueError(f"ttl_s is {ttl_s:g}, it must be above 0")
    return rule["value"], ttl_s, written_at


def _number(rule: Mapping[str, Any], field: str) -> float:
    value = rule[field]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{field} is no number of seconds: {value!r}")
    return float(value)


@dataclass(frozen=True, slots=True)
class _Seen:
    raw: bytes
    rule: Rule | None  # None: malformed


class RuleBook:
    """The rules under one prefix, as one reader sees them. Pure: times come in.

    `parse(key, value)` gives a rule's value its type and raises ValueError for one that makes no sense.
    """

    def __init__(self, *, parse: ParseRule | None = None) -> None:
        self._parse = parse
        self._seen: dict[str, _Seen] = {}
        self._now = -math.inf
        self._full = False

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What is in force, by key."""
        rules = (seen.rule for _, seen in sorted(self._seen.items()))
        return tuple(rule for rule in rules if rule and (rule.expires_at is None or rule.expires_at > self._now))

    @property
    def next_expiry(self) -> float | None:
        return min((rule.expires_at for rule in self.rules if rule.expires_at is not None), default=None)

    def answer(self, entries: Mapping[str, bytes], *, now: float, wall: float, doubtful: bool = False) -> None:
        """Takes over what stands in the registry: `now` is the reader's monotonic time, `wall` its Unix time.

        `doubtful`: the registry may not know everything yet; what it does not mention stays.
        """
        self._limit(entries)
        before = self._seen
        self._seen = dict(before) if doubtful else {}
        for key in sorted(entries)[:MAX_RULES]:
            old = before.get(key)
            self._seen[key] = old if old and old.raw == entries[key] else self._read(key, entries[key], now, wall)
        self._now = now

    def expire(self, now: float) -> None:
        """Lets go of the rules whose time is over. Their bytes are remembered: seen again they do not come back."""
        self._now = now

    def _read(self, key: str, raw: bytes, now: float, wall: float) -> _Seen:
        try:
            value, ttl_s, written_at = _decode(raw)
            if self._parse is not None:
                value = self._parse(key, value)
        except ValueError as error:
            log.warning("rule %s is malformed and not in force: %s", key, error)
            return _Seen(raw, None)
        if ttl_s is None:
            return _Seen(raw, Rule(key, value))
        age_s = max(0.0, wall - written_at)
        return _Seen(raw, Rule(key, value, expires_at=now + ttl_s - age_s))

    def _limit(self, entries: Mapping[str, bytes]) -> None:
        full = len(entries) > MAX_RULES
        if full and not self._full:
            log.warning("%d rules under one prefix; only the first %d by key are in force", len(entries), MAX_RULES)
        self._full = full
