"""Can a caller live with its callee's contract: the direction counts; lines name method, field and both types."""

from __future__ import annotations

import pytest

from mesh.contract import load_texts
from mesh.contract.judge import MAX_LINE, MAX_LINES, Judgement, Verdict, from_json, judge
from mesh.contract.model import Contract

TEXT = """
enum Kind { RIDE = 1, POOL = 2 }
exception TooFar { 1: required string message }
struct Stop { 1: required double km, 2: optional Kind kind }
struct Request { 1: required list<Stop> stops }
struct Quote { 1: required i64 cents, 2: optional Kind kind }
service Pricing {
  Quote quote(1: Request request) throws (1: TooFar far)
  i32 ping()
} (name = "pricing")
"""


def contract(*changes: tuple[str, str]) -> Contract:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_texts({"pricing.thrift": text}, "pricing.thrift")


BREAKS = {
    "a type": (("double km", "string km"), "Pricing::quote, Stop.km is double here and string there"),
    "a result": (("i32 ping()", "string ping()"), "Pricing::ping, result is i32 here and string there"),
    "required in a request": (
        ("required double km", "required double km, 3: required i32 hour"),
        "Pricing::quote, Stop.hour: absent here, required i32 there",
    ),
    "gone from an answer": (
        ("1: required i64 cents, ", ""),
        "Pricing::quote, Quote.cents: i64 here, absent there",
    ),
    "an enum's value in an answer": (
        ("POOL = 2", "POOL = 2, BIKE = 3"),
        "Pricing::quote, Kind.BIKE: absent here, 3 there",
    ),
    "a method": (("i32 ping()", ""), "Pricing::ping: is gone"),
    "the service": (("service Pricing", "service Prices"), "service Pricing: was renamed, as it seems, to Prices"),
}


@pytest.mark.parametrize(("change", "said"), BREAKS.values(), ids=BREAKS)
def test_what_a_caller_cannot_live_with(change: tuple[str, str], said: str) -> None:
    judgement = judge(contract(), contract(change))
    assert judgement.verdict is Verdict.INCOMPATIBLE
    assert judgement.lines[0].startswith(said)


LIVES = {
    "a method more": ("i32 ping()", "i32 ping() i32 more()"),
    "optional in a request": ("required double km", "required double km, 3: optional i32 hour"),
    "more in an answer": ("required i64 cents", "required i64 cents, 3: required i32 fee"),
    "a promise": ('i32 ping()', 'i32 ping() (timeout_ms = "5")'),
    "the name by which it was found": ('name = "pricing"', 'name = "prices"'),
    "a type that no method reaches": ("enum Kind", "struct Other { 1: i32 n } enum Kind"),
}  # fmt: skip


@pytest.mark.parametrize("change", LIVES.values(), ids=LIVES)
def test_what_a_caller_can_live_with(change: tuple[str, str]) -> None:
    assert judge(contract(), contract(change)) == Judgement(Verdict.COMPATIBLE)


def test_the_direction_counts() -> None:
    """The callee has the older contract: what only it lacks must not be missed in answers."""
    newer = ("required i64 cents", "required i64 cents, 3: required i32 fee")
    assert judge(contract(), contract(newer)).verdict is Verdict.COMPATIBLE
    assert judge(contract(newer), contract()).verdict is Verdict.INCOMPATIBLE
    asks = ("required double km", "required double km, 3: required i32 hour")
    assert judge(contract(), contract(asks)).verdict is Verdict.INCOMPATIBLE
    assert judge(contract(asks), contract()).verdict is Verdict.COMPATIBLE


def test_lines_have_limits() -> None:
    def many(type: str) -> Contract:
        fields = ", ".join(f"{n}: optional {type} f{n}{'f' * 200}" for n in range(1, 100))
        text = f"struct {'S' * 90} {{ {fields} }} service Pricing {{ void put(1: {'S' * 90} s) }}"
        return load_texts({"pricing.thrift": text}, "pricing.thrift")

    judgement = judge(many("i32"), many("string"))
    assert len(judgement.lines) == MAX_LINES
    assert judgement.more == 99 - MAX_LINES
    assert max(map(len, judgement.lines)) == MAX_LINE
    assert judgement.text(2).endswith("; and 97 more differences")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"verdict": "fine", "lines": [], "more": 0}', b"\xff"])
def test_no_judgement(data: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        from_json(data)
