import asyncio
import random

from mesh.call import LoopClock, TimerWheel
from mesh.call.timers import LOOP_ROUNDING_S, TICK_S
from mesh.testing import virtual_time


@virtual_time
async def test_never_early_and_at_most_a_tick_late():
    clock = LoopClock()
    wheel, rng = TimerWheel(clock), random.Random(11)
    late = []
    for _ in range(500):
        when = clock.now() + rng.uniform(0, 3)
        wheel.at(when, lambda when=when: late.append(clock.now() - when))
    await asyncio.sleep(4)
    assert len(late) == 500
    assert min(late) >= -1e-6
    assert max(late) <= TICK_S + LOOP_ROUNDING_S + 1e-6


@virtual_time
async def test_a_nearer_timer_armed_later_fires_first():
    clock = LoopClock()
    wheel, fired = TimerWheel(clock), []
    wheel.at(clock.now() + 1, lambda: fired.append("far"))
    wheel.at(clock.now() + 0.1, lambda: fired.append("near"))
    await asyncio.sleep(0.2)
    assert fired == ["near"]
    await asyncio.sleep(1)
    assert fired == ["near", "far"]


@virtual_time
async def test_cancelled_and_closed_fire_nothing():
    clock = LoopClock()
    wheel, fired = TimerWheel(clock), []
    entry = wheel.at(clock.now() + 0.1, lambda: fired.append(1))
    entry.cancel()
    entry.cancel()
    assert len(wheel) == 0
    wheel.at(clock.now() + 0.1, lambda: fired.append(2))
    wheel.close()
    await asyncio.sleep(1)
    assert fired == []


@virtual_time
async def test_a_timer_may_arm_another_when_it_fires():
    clock = LoopClock()
    wheel, fired = TimerWheel(clock), []

    def again():
        fired.append(clock.now())
        if len(fired) < 5:
            wheel.at(clock.now(), again)

    wheel.at(clock.now(), again)
    await asyncio.sleep(1)
    assert len(fired) == 5
