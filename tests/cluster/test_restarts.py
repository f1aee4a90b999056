"""Back-off and giving up, in made-up time."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mesh.cluster.plan import RestartConfig
from mesh.cluster.restarts import Restarts


class Highest(random.Random):
    def uniform(self, a, b):
        return b


def test_the_delay_doubles_up_to_its_limit():
    policy = Restarts(RestartConfig(first_ms=100, max_ms=500, crashes=10), Highest())
    assert [policy.crashed(now) for now in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_it_gives_up_after_so_many_crashes_in_the_window():
    policy = Restarts(RestartConfig(crashes=3, window_s=60), Highest())
    assert [policy.crashed(now) is None for now in (0, 1, 2)] == [False, False, True]


def test_crashes_outside_the_window_count_no_longer():
    policy = Restarts(RestartConfig(first_ms=100, crashes=3, window_s=60), Highest())
    assert [policy.crashed(now) for now in (0, 61, 122, 183, 244)] == [0.1] * 5


def test_a_start_by_hand_begins_anew():
    policy = Restarts(RestartConfig(first_ms=100, crashes=2), Highest())
    policy.crashed(0)
    policy.forget()
    assert policy.crashed(1) == 0.1


@given(st.lists(st.floats(0, 30), max_size=40), st.integers(0, 2**32))
def test_the_jitter_stays_between_half_a_step_and_all_of_it(gaps, seed):
    config = RestartConfig(first_ms=100, max_ms=1000, crashes=5, window_s=60)
    policy, highest = Restarts(config, random.Random(seed)), Restarts(config, Highest())
    now = 0.0
    for gap in gaps:
        now += gap
        delay, most = policy.crashed(now), highest.crashed(now)
        if most is None:
            assert delay is None
            return
        assert most / 2 <= delay <= most <= 1.0
