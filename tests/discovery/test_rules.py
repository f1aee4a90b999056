"""Live rules: form, expiry on the reader's clock, and what clocks that disagree can do. Pure; times are numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.discovery.rules import MAX_RULE_BYTES, MAX_RULES, RuleBook, encode_rule

WALL = 1_700_000_000.0


def values(book: RuleBook) -> dict[str, Any]:
    return {rule.key: rule.value for rule in book.rules}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b"5", 'no object with a "value"'),
        (b"{}", 'no object with a "value"'),
        (b'{"value": 1, "ttl": 5}', "unknown field 'ttl'"),
        (b'{"value": 1, "ttl_s": 5}', "stand together"),
        (b'{"value": 1, "written_at": 5}', "stand together"),
        (b'{"value": 1, "ttl_s": 0, "written_at": 5}', "must be above 0"),
        (b'{"value": 1, "ttl_s": -1, "written_at": 5}', "must be above 0"),
        (b'{"value": 1, "ttl_s": NaN, "written_at": 5}', "ttl_s is no number"),
        (b'{"value": 1, "ttl_s": 1e999, "written_at": 5}', "ttl_s is no number"),
        (b'{"value": 1, "ttl_s": true, "written_at": 5}', "ttl_s is no number"),
        (b'{"value": 1, "ttl_s": "5", "written_at": 5}', "ttl_s is no number"),
        (b'{"value": 1, "ttl_s": 5, "written_at": null}', "written_at is no number"),
        (b'{"value": "' + b"x" * MAX_RULE_BYTES + b'"}', "bytes are more than"),
    ],
)
def test_a_malformed_rule_is_named_once_and_the_others_stay(
    raw: bytes, reason: str, lines: Callable[[], list[str]]
) -> None:
    book = RuleBook()
    for now in (0.0, 1.0):
        book.answer({"limits/bad": raw, "limits/good": encode_rule(3)}, now=now, wall=WALL)
        assert values(book) == {"limits/good": 3}
    assert len(lines()) == 1
    assert "limits/bad" in lines()[0]
    assert reason in lines()[0]


def test_what_the_parser_of_the_prefix_refuses_is_malformed_too(lines: Callable[[], list[str]]) -> None:
    book = RuleBook(parse=lambda key, value: int(value))
    book.answer({"a": encode_rule("7"), "b": encode_rule("seven")}, now=0.0, wall=WALL)
    assert values(book) == {"a": 7}
    assert "b is malformed" in lines()[0]


def test_a_rule_that_becomes_malformed_is_not_in_force_any_more() -> None:
    book = RuleBook()
    book.answer({"a": encode_rule(1)}, now=0.0, wall=WALL)
    book.answer({"a": b"oops"}, now=1.0, wall=WALL)
    assert values(book) == {}


def test_expiry_is_kept_by_the_monotonic_clock_whatever_the_wall_does() -> None:
    book = RuleBook()
    raw = encode_rule("slow", ttl_s=30, written_at=WALL)
    book.answer({"a": raw}, now=100.0, wall=WALL)
    assert book.next_expiry == 130.0
    for wall in (WALL - 1e6, WALL + 1e6):
        book.answer({"a": raw}, now=129.9, wall=wall)
        assert values(book) == {"a": "slow"}
    book.expire(130.0)
    assert values(book) == {}
    assert book.next_expiry is None


def test_an_expired_rule_does_not_come_back_when_it_is_seen_again() -> None:
    book = RuleBook()
    raw = encode_rule(1, ttl_s=5, written_at=WALL)
    book.answer({"a": raw}, now=0.0, wall=WALL)
    book.expire(5.0)
    book.answer({"a": raw}, now=6.0, wall=WALL)
    assert values(book) == {}


def test_writing_it_again_renews_it() -> None:
    book = RuleBook()
    book.answer({"a": encode_rule(1, ttl_s=5, written_at=WALL)}, now=0.0, wall=WALL)
    book.answer({"a": encode_rule(1, ttl_s=5, written_at=WALL + 4)}, now=4.0, wall=WALL + 4)
    assert book.next_expiry == 9.0


def test_a_late_reader_gets_only_what_is_left() -> None:
    raw = encode_rule(1, ttl_s=30, written_at=WALL)
    late, too_late = RuleBook(), RuleBook()
    late.answer({"a": raw}, now=0.0, wall=WALL + 20)
    too_late.answer({"a": raw}, now=0.0, wall=WALL + 31)
    assert late.next_expiry == 10.0
    assert values(too_late) == {}


@given(st.floats(0.001, 1e6), st.floats(-1e9, 1e9))
def test_clocks_that_disagree_never_prolong_a_rule(ttl_s: float, skew: float) -> None:
    book = RuleBook()
    book.answer({"a": encode_rule(1, ttl_s=ttl_s, written_at=WALL + skew)}, now=50.0, wall=WALL)
    assert all(rule.expires_at is not None and rule.expires_at <= 50.0 + ttl_s for rule in book.rules)


def test_a_doubtful_answer_removes_nothing_and_a_certain_one_does() -> None:
    book = RuleBook()
    book.answer({"a": encode_rule(1), "b": encode_rule(2)}, now=0.0, wall=WALL)
    book.answer({"b": encode_rule(3)}, now=1.0, wall=WALL, doubtful=True)
    assert values(book) == {"a": 1, "b": 3}
    book.answer({"b": encode_rule(3)}, now=2.0, wall=WALL)
    assert values(book) == {"b": 3}


def test_the_number_of_rules_is_bounded(lines: Callable[[], list[str]]) -> None:
    book = RuleBook()
    entries = {f"{n:05}": encode_rule(n) for n in range(MAX_RULES + 5)}
    book.answer(entries, now=0.0, wall=WALL)
    book.answer(entries, now=1.0, wall=WALL)
    assert len(book.rules) == MAX_RULES
    assert len(lines()) == 1


garbage = st.sampled_from([None, True, -1, 1e308, float("nan"), "", "5", [], {}])


@given(
    st.binary(max_size=40)
    | st.dictionaries(st.sampled_from(["value", "ttl_s", "written_at", "x"]), garbage).map(json.dumps)
)
def test_no_bytes_make_the_book_fail(raw: bytes | str) -> None:
    book = RuleBook()
    book.answer({"a": raw.encode() if isinstance(raw, str) else raw}, now=0.0, wall=WALL)
    assert len(book.rules) <= 1


def test_the_writer_is_refused_what_a_reader_would_refuse() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        encode_rule(1, ttl_s=0, written_at=WALL)
    with pytest.raises(ValueError, match="written_at"):
        encode_rule(1, ttl_s=5)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_rule(float("nan"))
