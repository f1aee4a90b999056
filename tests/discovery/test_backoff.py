"""Waits between attempts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mesh.discovery.backoff import MAX_WAIT_S, MIN_WAIT_S, Backoff


@given(st.integers(), st.integers(1, 200))
def test_every_wait_is_within_its_bounds(seed: int, failures: int) -> None:
    backoff = Backoff(random.Random(seed))
    for attempt in range(1, failures + 1):
        ceiling = min(MAX_WAIT_S, 2.0**attempt)
        assert max(MIN_WAIT_S, ceiling / 2) <= backoff.next_s() <= ceiling


def test_two_processes_do_not_wait_alike() -> None:
    assert Backoff(random.Random(1)).next_s() != Backoff(random.Random(2)).next_s()


def test_a_success_starts_it_anew() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 2.0
