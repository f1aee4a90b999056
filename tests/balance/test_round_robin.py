import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mesh.balance import Endpoint, EndpointSet, RoundRobin
from tests.filters.stage import call


class StoppedClock:
    time = 100.0

    def now(self) -> float:
        return self.time


def endpoints(count: int) -> EndpointSet:
    made = EndpointSet("pricing", "test")
    made.update(Endpoint(f"10.0.0.{n}:1") for n in range(count))
    return made


def test_each_in_turn():
    balancer, there = RoundRobin(StoppedClock(), random.Random(3)), endpoints(4)
    chosen = Counter(balancer.choose(there, call()).address for _ in range(400))
    assert set(chosen.values()) == {100}


def test_nobody():
    assert RoundRobin(StoppedClock(), random.Random(3)).choose(endpoints(0), call()) is None


def test_an_avoided_endpoint_waits_out_its_time_and_serves_when_alone():
    clock, there = StoppedClock(), endpoints(2)
    balancer = RoundRobin(clock, random.Random(3))
    sick, well = there.all
    sick.avoid(clock.now() + 1)
    assert {balancer.choose(there, call()) for _ in range(10)} == {well}
    well.avoid(clock.now() + 1)
    assert balancer.choose(there, call()) is not None
    clock.time += 2
    assert {balancer.choose(there, call()) for _ in range(10)} == {sick, well}


@given(
    count=st.integers(1, 8),
    avoided=st.sets(st.integers(0, 7)),
    suspects=st.sets(st.integers(0, 7)),
    tried=st.sets(st.integers(0, 7)),
    seed=st.integers(0, 1000),
)
def test_the_untried_come_first_then_the_willing_then_the_certain(count, avoided, suspects, tried, seed):
    clock, there = StoppedClock(), endpoints(count)
    balancer = RoundRobin(clock, random.Random(seed))
    for index, endpoint in enumerate(there.all):
        endpoint.suspect = index in suspects
        if index in avoided:
            endpoint.avoid(clock.now() + 1)
    asked = call()
    asked.tried = {endpoint: None for index, endpoint in enumerate(there.all) if index in tried}
    chosen = balancer.choose(there, asked)

    def rank(endpoint):
        return (endpoint in asked.tried, endpoint.avoid_until > clock.now(), endpoint.suspect)

    assert rank(chosen) == min(rank(endpoint) for endpoint in there.all)


def test_identity_survives_an_update():
    there = endpoints(3)
    first = there.all[0]
    there.update([Endpoint("10.0.0.9:1"), Endpoint(first.address, zone="b", suspect=True)])
    assert there.all[1] is first
    assert first.zone == "b"
    assert first.suspect
    assert len(there) == 2
