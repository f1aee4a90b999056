"""What is believed of an answer that takes instances away. Pure; times are numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.discovery.members import SUSPECT_S, Members
from mesh.discovery.registry import Instance


def one(number: int, **named: object) -> Instance:
    return replace(Instance("s", f"id-{number}", "10.0.0.1", 1000 + number), **named)  # type: ignore[arg-type]


def some(*numbers: int) -> list[Instance]:
    return [one(number) for number in numbers]


def state(members: Members) -> tuple[list[int], list[int]]:
    """(certain, suspect) by number."""
    found = members.instances
    return [i.port - 1000 for i in found if not i.suspect], [i.port - 1000 for i in found if i.suspect]


@pytest.mark.parametrize(
    ("before", "after", "certain", "suspect"),
    [
        ([1], [], [], [1]),
        ([1, 2], [], [], [1, 2]),
        ([1, 2], [1], [1], []),  # exactly half is believed
        ([1, 2, 3], [1], [1], [2, 3]),
        ([1, 2, 3], [1, 2], [1, 2], []),
        ([1, 2, 3, 4], [1, 2], [1, 2], []),
        ([1, 2, 3, 4], [5], [5], [1, 2, 3, 4]),
        ([], [1, 2], [1, 2], []),
        ([], [], [], []),
    ],
)
def test_more_than_half_at_once_become_suspects(
    before: list[int], after: list[int], certain: list[int], suspect: list[int]
) -> None:
    members = Members()
    members.answer(some(*before), 0.0)
    members.answer(some(*after), 1.0)
    assert state(members) == (certain, suspect)


def test_a_doubtful_answer_takes_nothing_away_at_once() -> None:
    members = Members()
    members.answer(some(1, 2, 3, 4), 0.0)
    members.answer(some(1, 2, 3, 5), 1.0, doubtful=True)
    assert state(members) == ([1, 2, 3, 5], [4])


def test_a_suspect_ends_after_its_time_and_not_before() -> None:
    members = Members()
    members.answer(some(1), 0.0)
    members.answer([], 10.0)
    assert members.next_expiry == 10.0 + SUSPECT_S
    members.expire(10.0 + SUSPECT_S - 0.001)
    assert state(members) == ([], [1])
    members.expire(10.0 + SUSPECT_S)
    assert state(members) == ([], [])
    assert members.next_expiry is None


def test_more_empty_answers_do_not_prolong_a_suspect() -> None:
    members = Members()
    members.answer(some(1, 2), 0.0)
    members.answer([], 10.0)
    members.answer([], 50.0)
    assert members.next_expiry == 10.0 + SUSPECT_S


def test_a_suspect_that_refuses_goes_at_once_and_a_listed_one_stays() -> None:
    members = Members()
    members.answer(some(1, 2, 3), 0.0)
    members.answer(some(3), 1.0)
    members.refused(one(1).address)
    members.refused(one(3).address)
    assert state(members) == ([3], [2])


def test_a_suspect_that_is_listed_again_is_none() -> None:
    members = Members()
    members.answer(some(1, 2, 3), 0.0)
    members.answer([], 1.0)
    members.answer(some(2), 2.0)
    assert state(members) == ([2], [1, 3])


def test_who_moved_is_not_expected_at_the_old_address() -> None:
    members = Members()
    members.answer(some(1), 0.0)
    members.answer([one(1, port=1009)], 1.0)
    assert state(members) == ([9], [])


def test_who_moved_is_no_suspect_any_more_at_the_old_address() -> None:
    members = Members()
    members.answer(some(1), 0.0)
    members.answer([], 1.0)
    members.answer([one(1, port=1009)], 2.0)
    assert state(members) == ([9], [])


def test_a_successor_at_the_same_address_replaces_the_suspect() -> None:
    members = Members()
    members.answer(some(1), 0.0)
    members.answer([], 1.0)
    members.answer([one(1, id="successor")], 2.0)
    assert [(i.id, i.suspect) for i in members.instances] == [("successor", False)]


def test_one_address_is_one_endpoint() -> None:
    members = Members()
    members.answer([one(1), one(1, id="again")], 0.0)
    assert [i.id for i in members.instances] == ["again"]


def test_the_order_is_the_addresses_and_not_the_answers() -> None:
    members = Members()
    members.answer(some(3, 1, 2), 0.0)
    first = members.instances
    members.answer(some(2, 3, 1), 1.0)
    assert members.instances == first


answers = st.lists(
    st.tuples(st.frozensets(st.integers(0, 7)), st.floats(0.01, 40.0), st.booleans()), min_size=1, max_size=12
)


@given(answers)
def test_nothing_is_lost_without_a_reason(script: list[tuple[frozenset[int], float, bool]]) -> None:
    members, now, gone_since, certain = Members(), 0.0, {}, set[int]()
    for listed, pause, doubtful in script:
        now += pause
        members.answer(some(*listed), now, doubtful=doubtful)
        missing = certain - listed
        if doubtful or len(missing) * 2 > len(certain):
            gone_since |= dict.fromkeys(missing, now)
        gone_since = {n: t for n, t in gone_since.items() if n not in listed and now < t + SUSPECT_S}
        certain = set(listed)
        assert state(members) == (sorted(certain), sorted(gone_since))
