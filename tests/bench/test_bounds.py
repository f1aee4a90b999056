"""What counts as a missed bound."""

from __future__ import annotations

import pytest

from bench.bounds import BOUNDS, NOISE, missed, table

# Every figure at its bound; those without one at anything.
GOOD = {bound.key: 1.0 if bound.limit is None else bound.limit for bound in BOUNDS}


def test_a_run_within_its_bounds_misses_nothing():
    assert missed(GOOD) == []
    assert "MISSED" not in table(GOOD)


@pytest.mark.parametrize("bound", [bound for bound in BOUNDS if bound.limit is not None], ids=lambda bound: bound.key)
def test_each_bound_is_missed_only_beyond_the_noise(bound):
    assert bound.limit is not None
    worse = 1 - NOISE if bound.at_least else 1 + NOISE
    just_inside, beyond = bound.limit * worse, bound.limit * (worse - 0.01 if bound.at_least else worse + 0.01)

    assert missed(GOOD | {bound.key: just_inside}) == []
    assert "noise" in table(GOOD | {bound.key: just_inside})
    assert missed(GOOD | {bound.key: beyond}) == [bound.key]
    assert "MISSED" in table(GOOD | {bound.key: beyond})
