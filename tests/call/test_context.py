import asyncio

import pytest

import mesh.call as call
from mesh.testing import virtual_time


def test_outside_of_a_call_there_is_an_empty_context():
    here = call.current()
    assert (here.caller, here.service, here.method, here.deadline) == (None, None, None, None)
    assert dict(here.headers) == {}
    assert here.remaining_ms() is None


@virtual_time
async def test_an_inner_deadline_only_shortens():
    with call.deadline(ms=100):
        assert call.current().remaining_ms() == pytest.approx(100)
        with call.deadline(ms=500):
            assert call.current().remaining_ms() == pytest.approx(100)
        with call.deadline(ms=10):
            assert call.current().remaining_ms() == pytest.approx(10)
            await asyncio.sleep(1)
            assert call.current().remaining_ms() == 0
    assert call.current_or_none() is None


def test_scopes_nest_and_end():
    with call.headers({"a": "1"}), call.headers({"b": "2"}), call.baggage(tenant="x"):
        assert dict(call.current().outgoing) == {"a": "1", "b": "2"}
        assert dict(call.current().baggage) == {"tenant": "x"}
    assert call.current_or_none() is None


@pytest.mark.parametrize("key", ["", "$rpc$-service", "$tracing$x", "$mesh$x"])
def test_reserved_keys_are_refused(key):
    with pytest.raises(ValueError, match="reserved"), call.headers({key: "x"}):
        pass


def test_texts_only():
    with pytest.raises(TypeError, match="text"), call.headers({"a": 1}):
        pass


@pytest.mark.parametrize("ms", [0, -1, float("nan")])
def test_a_deadline_is_positive(ms):
    with pytest.raises(ValueError, match="positive"), call.deadline(ms=ms):
        pass


@virtual_time
async def test_a_task_keeps_what_it_was_started_with():
    async def inside():
        await asyncio.sleep(1)
        return dict(call.current().outgoing)

    with call.headers({"a": "1"}):
        task = asyncio.create_task(inside())
    assert await task == {"a": "1"}
