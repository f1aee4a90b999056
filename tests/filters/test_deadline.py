import asyncio

import pytest

from mesh.call import OK
from mesh.errors import CallTimeout
from mesh.filters import client_deadline, server_deadline
from mesh.testing import virtual_time
from tests.filters.stage import Script, call, clock_and_wheel, method


@virtual_time
async def test_the_contracts_timeout_applies_to_who_set_none():
    clock, wheel = clock_and_wheel()
    script = Script(takes_s=10)
    started = clock.now()
    made = method(timeout_ms=250)
    reply = await client_deadline(clock, wheel)("pricing", made)(call(made), script)
    assert isinstance(reply.outcome, CallTimeout)
    assert 0.250 <= clock.now() - started <= 0.260
    assert script.cancelled == 1
    text = str(reply.outcome)
    for part in ("pricing", "Pricing::quote", "250 ms", "limit 250 ms"):
        assert part in text


@virtual_time
async def test_a_longer_wish_is_granted_by_the_client_and_capped_by_the_server():
    clock, wheel = clock_and_wheel()
    made = method(timeout_ms=100)
    asked = call(made, deadline=clock.now() + 5)
    assert (await client_deadline(clock, wheel)("s", made)(asked, Script(takes_s=1))).outcome is OK
    started = clock.now()
    served = call(made, deadline=clock.now() + 5)
    reply = await server_deadline(clock, wheel)("s", made)(served, Script(takes_s=1))
    assert isinstance(reply.outcome, CallTimeout)
    assert clock.now() - started < 0.11


@virtual_time
async def test_never_longer_than_the_call_that_it_is_part_of():
    clock, wheel = clock_and_wheel()
    made = method(timeout_ms=1000)
    started = clock.now()
    reply = await client_deadline(clock, wheel)("s", made)(call(made, latest=started + 0.05), Script(takes_s=1))
    assert isinstance(reply.outcome, CallTimeout)
    assert clock.now() - started < 0.06


@virtual_time
async def test_nothing_is_sent_when_no_time_is_left():
    clock, wheel = clock_and_wheel()
    script = Script()
    reply = await client_deadline(clock, wheel)("s", method())(call(deadline=clock.now() - 1), script)
    assert isinstance(reply.outcome, CallTimeout)
    assert script.seen == []


@virtual_time
async def test_the_callers_own_cancel_is_no_timeout():
    clock, wheel = clock_and_wheel()
    script = Script(takes_s=10)
    task = asyncio.create_task(client_deadline(clock, wheel)("s", method(timeout_ms=5000))(call(), script))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.cancelled == 1
    assert len(wheel) == 0


@virtual_time
async def test_a_cancel_in_the_same_turn_as_the_timeout_wins():
    clock, wheel = clock_and_wheel()
    made = method(timeout_ms=100)
    task = asyncio.create_task(client_deadline(clock, wheel)("s", made)(call(made), Script(takes_s=10)))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    loop.call_at(loop.time() + 0.105, task.cancel)  # the wheel's tick of 100 ms
    with pytest.raises(asyncio.CancelledError):
        await task


@virtual_time
async def test_an_outer_timeout_scope_still_works_around_ours():
    clock, wheel = clock_and_wheel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client_deadline(clock, wheel)("s", method(timeout_ms=5000))(call(), Script(takes_s=10))
    made = method(timeout_ms=50)
    async with asyncio.timeout(5):
        reply = await client_deadline(clock, wheel)("s", made)(call(made), Script(takes_s=10))
    assert isinstance(reply.outcome, CallTimeout)
    assert asyncio.current_task().cancelling() == 0


@virtual_time
async def test_finished_calls_leave_no_timer():
    clock, wheel = clock_and_wheel()
    made = client_deadline(clock, wheel)("s", method(timeout_ms=60_000))
    for _ in range(100):
        await made(call(), Script())
    assert len(wheel) == 0
