import asyncio
import time

import pytest

from mesh.testing import LeakError, no_leaks, run_virtual, virtual_time


@virtual_time
async def test_an_hour_takes_no_time():
    started, virtual = time.monotonic(), asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() - virtual == pytest.approx(3600)
    assert time.monotonic() - started < 60


@virtual_time
async def test_timers_fire_in_order():
    order = []

    async def after(seconds):
        await asyncio.sleep(seconds)
        order.append(seconds)

    await asyncio.gather(*(after(seconds) for seconds in (3, 1, 2, 0.001, 0)))
    assert order == [0, 0.001, 1, 2, 3]


def test_a_deadlock_is_told(monkeypatch):
    monkeypatch.setattr("mesh.testing.virtual.STUCK_S", 0.01)

    async def forever():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="stands still"):
        run_virtual(forever())


async def test_leaks_are_found():
    task = None
    with pytest.raises(LeakError, match="task left-over"):
        async with no_leaks():
            task = asyncio.create_task(asyncio.sleep(60), name="left-over")
    task.cancel()
    with pytest.raises(LeakError, match="/dev/null"):
        async with no_leaks():
            file = open("/dev/null")  # noqa: SIM115
    file.close()
    async with no_leaks():
        await asyncio.sleep(0)
