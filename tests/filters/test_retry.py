import random

import pytest

from mesh.balance import Endpoint, EndpointSet, RoundRobin, balance
from mesh.call import OK, apply
from mesh.errors import TABLE, Busy, MeshError, Repeat, Unexpected, Unreachable
from mesh.filters import retry_not_run
from mesh.filters.retry import MAX_ATTEMPTS
from mesh.testing import virtual_time
from tests.filters.stage import Script, call, clock_and_wheel, method


def over(count: int, script: Script):
    """Retry above a round robin over `count` endpoints."""
    clock, _ = clock_and_wheel()
    endpoints = EndpointSet("pricing", "test")
    endpoints.update(Endpoint(f"10.0.0.{n}:1") for n in range(count))
    below = apply(balance(lambda _: endpoints, RoundRobin(clock, random.Random(1)))("pricing", method()), script)
    return apply(retry_not_run(clock)("pricing", method()), below)


@virtual_time
async def test_what_did_not_run_goes_to_another_endpoint():
    script = Script(Unreachable, Busy, OK)
    reply = await over(4, script)(call())
    assert reply.outcome is OK
    assert [seen["attempt"] for seen in script.seen] == [1, 2, 3]
    assert len({seen["endpoint"] for seen in script.seen}) == 3


@virtual_time
async def test_no_more_attempts_than_allowed_and_none_twice_at_one_endpoint():
    script = Script(Unreachable)
    await over(50, script)(call())
    assert len(script.seen) == MAX_ATTEMPTS
    few = Script(Unreachable)
    reply = await over(2, few)(call())
    assert isinstance(reply.outcome, Unreachable)
    assert len(few.seen) == 2
    assert len({seen["endpoint"] for seen in few.seen}) == 2


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kind.name)
def test_the_table_decides(row: type[MeshError]):
    @virtual_time
    async def run():
        script = Script(row, OK)
        await over(3, script)(call())
        return len(script.seen)

    assert run() == (2 if row.kind.repeat is Repeat.ELSEWHERE else 1)


def test_only_what_certainly_did_not_run_may_go_elsewhere():
    for row in TABLE:
        if row.kind.repeat is Repeat.ELSEWHERE:
            assert not row.kind.may_have_run
    assert Unexpected.kind.may_have_run


@virtual_time
async def test_not_past_the_deadline():
    clock, _ = clock_and_wheel()
    script = Script(Unreachable, takes_s=1)
    reply = await over(5, script)(call(deadline=clock.now() + 1.5))
    assert isinstance(reply.outcome, Unreachable)
    assert len(script.seen) == 2
