"""A handler that blocks the loop is told once, with its stack; an idle loop is not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from mesh import logs
from mesh.admin import Watchdog, WatchdogSettings, watchdog
from mesh.call.call import Call
from mesh.call.context import context_var, serving
from mesh.call.trace import Trace
from mesh.contract.model import Method, Policy


def _block(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)


async def _beats(dog: Watchdog, count: int = 2) -> None:
    """Waits until the loop has beaten `count` times more."""
    for _ in range(count):
        beat = dog._beat
        while dog._beat == beat:
            await asyncio.sleep(0.001)


async def _told(caplog: pytest.LogCaptureFixture, lines: int) -> None:
    async with asyncio.timeout(5):
        while len(caplog.records) < lines:
            await asyncio.sleep(0.001)


async def test_a_blocking_handler_is_logged_once_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    metrics = CollectorRegistry()
    with caplog.at_level(logging.WARNING, "mesh.admin.watchdog"):
        async with Watchdog(WatchdogSettings(40), metrics=metrics) as dog:
            await _beats(dog)
            _block(0.3)
            await _told(caplog, 1)
            await _beats(dog, 4)
    (record,) = caplog.records
    assert "a handler blocked the event loop for" in record.getMessage()
    assert 100 <= record.blocked_ms <= 5000
    stood_ms, cpu_ms = record.args
    assert 0 <= cpu_ms < stood_ms  # it slept most of the time
    assert "in _block" in record.stack_info
    assert metrics.get_sample_value("mesh_loop_blocked_total") == dog.blocked == 1
    assert metrics.get_sample_value("mesh_loop_lag_seconds_count") > 4


async def test_the_line_knows_the_call_where_python_tells_it() -> None:
    method = Method("Shop", "buy", "Shop::buy", "shop", (), None, (), False, Policy(), SimpleNamespace())
    call = Call(method, b"", service="shop", caller="rider", trace=Trace(0xABC, 0xDEF))

    async def handler() -> None:
        context_var.set(serving(call))
        _block(0.3)

    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    written = logs.setup("json", "info", stream)
    try:
        async with Watchdog(WatchdogSettings(40)) as dog:
            await _beats(dog)
            await asyncio.create_task(handler())
            async with asyncio.timeout(5):
                while not stream.getvalue():
                    await asyncio.sleep(0.001)
    finally:
        root.removeHandler(written)
        root.setLevel(level)
    line = json.loads(stream.getvalue().splitlines()[0])
    assert "in _block" in line["exc"]
    known = {key: line.get(key) for key in ("trace", "method", "caller")}
    if sys.version_info >= (3, 12):
        assert known == {"trace": f"{0:016x}{0xABC:016x}", "method": "Shop::buy", "caller": "rider"}
    else:
        assert known == {"trace": None, "method": None, "caller": None}


async def test_many_blocks_make_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mesh.admin.watchdog"):
        async with Watchdog(WatchdogSettings(20), clock=time.monotonic) as dog:
            await _beats(dog)
            for _ in range(4):
                _block(0.08)
                await _beats(dog)
            await _told(caplog, 1)
    assert dog.blocked >= 2
    assert len(caplog.records) < dog.blocked


async def test_waiting_is_not_blocking(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mesh.admin.watchdog"):
        async with Watchdog(WatchdogSettings(1000)) as dog:
            await _beats(dog, 3)
    assert caplog.records == []
    assert dog._thread is not None
    assert not dog._thread.is_alive()


def test_a_loop_that_waits_for_events_is_told_from_one_that_is_held() -> None:
    loop = asyncio.new_event_loop()
    waiting = threading.Thread(target=loop.run_forever)
    release = threading.Event()
    held = threading.Thread(target=release.wait)
    waiting.start()
    held.start()
    try:
        until = time.monotonic() + 5
        while not watchdog._waits(sys._current_frames()[waiting.ident]) and time.monotonic() < until:
            time.sleep(0.001)  # it is on its way into the selector
        assert watchdog._waits(sys._current_frames()[waiting.ident])
        assert not watchdog._waits(sys._current_frames()[held.ident])
    finally:
        release.set()
        loop.call_soon_threadsafe(loop.stop)
        waiting.join()
        held.join()
        loop.close()


async def test_off() -> None:
    async with Watchdog(WatchdogSettings(0)) as dog:
        assert dog._thread is None
