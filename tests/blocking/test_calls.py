"""Blocking calls over real sockets: answers, errors, deadlines, and what a thread that waits must never do."""

import asyncio
import gc
import os
import threading
import time
import warnings
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager

import pytest

import mesh
from mesh import blocking
from mesh.call import debug
from mesh.call.trace import from_traceparent
from mesh.errors import BadRequest, Busy, CallTimeout, Cancelled, NetworkError, UnknownService, Unreachable
from tests.blocking.conftest import echo_process
from tests.node.interop import Echo, interop

pytestmark = pytest.mark.integration


def sample(number=1):
    return interop.Sample(text=f"tag {number}", number=number, items=[str(number)])


def test_a_call_returns_what_the_method_returned(client):
    assert client.echo(sample(7)) == sample(7)
    assert client.echo(sample=sample(8)).number == 8
    assert client.nothing() is None
    assert repr(client) == "<Client of interop Echo>"
    assert repr(client.echo) == "<blocking Echo::echo of interop>"


@pytest.mark.soak
def test_none_of_eight_threads_calls_goes_astray(client, seen, soak_record):
    each = int(os.environ.get("THRIFTMESH_SOAK_CASES", "40000")) // 10 // 8
    soak_record(cases=8 * each)
    wrong: list[object] = []

    def work(thread):
        for at in range(each):
            asked = sample(thread * each + at)
            with mesh.deadline(ms=60_000):  # a busy machine's business
                answer = client.echo(asked)
            if answer != asked:
                wrong.append((asked, answer))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert seen()["opened"] == 1  # all of them over one connection


def test_a_declared_exception_is_raised_as_itself(client):
    with pytest.raises(interop.Refused, match="as you asked"):
        client.fail("refused")
    with pytest.raises(mesh.MeshError, match="unexpected"):
        client.fail("bug")


def test_wrong_arguments_are_the_callers_errors(client):
    with pytest.raises(BadRequest):
        client.echo("no sample")
    with pytest.raises(TypeError, match="has no parameter 'simple'"):
        client.echo(simple=1)
    with pytest.raises(AttributeError, match="did you mean 'touch'"):
        client.tuoch("x")


def test_a_deadline_is_kept_and_the_server_told(client, seen):
    client.touch("warm")
    with mesh.deadline(ms=60_000):
        assert 0 < mesh.current().remaining_ms() <= 60_000
    with mesh.deadline(ms=100):
        with pytest.raises(CallTimeout, match="no answer within the deadline") as caught:
            client.slow(60_000)
    assert caught.value.method == "Echo::slow"
    assert seen(cancelled=1)["cancelled"] == 1


def test_headers_trace_and_baggage_go_along(client):
    with mesh.headers({"x": "y"}), mesh.baggage(tenant="t"):
        assert client.headers() == {"x": "y"}
    assert client.headers() == {}


async def test_a_plain_handler_calls_on_within_its_own_deadline_and_trace(echo):
    traces = []

    class Front(Echo):
        def touch(self, text):  # in a thread of the node's
            trace = mesh.current().trace
            traces.append(trace.trace_id)
            with pytest.raises(CallTimeout):
                client.slow(60_000)
            return text

    trace = from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    with blocking.Node("front", env={}) as node:
        client = node.client(interop.Echo, peers=[echo])
        async with mesh.Node("front", env={}, admin="off") as front:
            front.serve(interop.Echo, Front())
            await front.start()
            caller = front.client(interop.Echo, peers=[front.address])
            with mesh.tracing(trace):
                started = time.monotonic()
                with pytest.raises(CallTimeout):
                    await caller.touch("x")  # its timeout is 1 s, that of slow 5 s
                assert time.monotonic() - started < 4
    assert traces == [trace.trace_id]


def test_a_server_that_dies_under_a_call_and_stays_away(node):
    with echo_process() as (process, address):
        client = node.client(interop.Echo, peers=[address])
        future = node.submit(client.slow, 4000)
        while "begun" not in client.touch("seen"):
            pass
        process.kill()
        with pytest.raises(NetworkError):
            future.result()
    with pytest.raises(Unreachable, match="cannot connect"):
        client.touch("x")


def test_an_unknown_service_is_said_as_by_the_asynchronous_client(node):
    with pytest.raises((UnknownService, Unreachable), match="no registry"):
        node.client(interop.Echo).touch("x")


@pytest.mark.parametrize("protocol", ["framed", "multiplexed", "theader"])
def test_servers_of_framed_thrift_are_called_as_well(node, echo, protocol):
    client = node.client(interop.Echo, peers=[echo], protocol=protocol)
    assert client.echo(sample(3)) == sample(3)
    with pytest.raises(interop.Refused):
        client.fail("refused")
    assert client.forget("a oneway method") is None


def test_a_call_under_a_debugger_is_waited_for(echo):
    with blocking.Node("test", env={"MESH_DEBUG": "1"}) as node:
        client = node.client(interop.Echo, peers=[echo])
        with mesh.deadline(ms=10), debug.mark():
            assert client.slow(2000) == 2000.0  # longer than its thread waits before it looks for the loop


# -- where it cannot be used


async def test_inside_a_running_loop_it_refuses_and_says_what_to_use(node, echo):
    client = node.client(interop.Echo, peers=[echo])
    with pytest.raises(RuntimeError, match=r"an event loop is running .* use mesh.Node and `await`.*to_thread"):
        client.touch("x")
    with pytest.raises(RuntimeError, match="an event loop is running"):
        node.submit(client.touch, "x")
    with mesh.headers({"a": "b"}), mesh.deadline(ms=60_000):
        assert await asyncio.to_thread(client.headers) == {"a": "b"}


# -- a loop that is stuck, and limits


@contextmanager
def held_up(node):
    """The loop's thread does nothing else meanwhile."""
    begun, done = threading.Event(), threading.Event()

    def hold():
        begun.set()
        done.wait(60)

    node._thread._loop.call_soon_threadsafe(hold)
    begun.wait()
    try:
        yield done
    finally:
        done.set()


def test_a_stuck_loop_keeps_nobody_waiting(client, node):
    client.touch("warm")
    with held_up(node), mesh.deadline(ms=50):
        with pytest.raises(CallTimeout, match=r"does not turn; it stands in wait\(\) at .*threading.py:\d+"):
            client.touch("x")
        future = node.submit(client.touch, "y")
        for ask in (future.result, future.exception):
            with pytest.raises(CallTimeout, match="does not turn"):
                ask()
    assert client.touch("later") == "later"


def test_a_loop_that_turns_again_in_time_answers(client, node):
    client.touch("warm")
    with held_up(node) as done:
        future = node.submit(client.touch, "x")
        threading.Timer(0.2, done.set).start()
        assert client.touch("y") == "y"
    assert future.result() == "x"


def test_no_more_calls_than_the_limit_are_under_way(echo, seen):
    with blocking.Node("test", env={}, max_calls=2) as node:
        client = node.client(interop.Echo, peers=[echo])
        futures = [node.submit(client.slow, 60_000) for _ in range(2)]
        assert seen(begun=2)["begun"] == 2
        with mesh.deadline(ms=50), pytest.raises(Busy, match="2 calls of this process are under way"):
            client.touch("x")
        for future in futures:
            assert future.cancel()
        assert client.touch("x") == "x"  # waits for its turn
        assert seen(cancelled=2)["cancelled"] == 2


# -- side by side


def test_submitted_calls_run_side_by_side(client, node):
    futures = [node.submit(client.echo, sample(number)) for number in range(200)]
    assert [future.result().number for future in futures] == list(range(200))
    failed = node.submit(client.fail, kind="refused")
    assert isinstance(failed.exception(), interop.Refused)
    with pytest.raises(TypeError, match="submit takes a method of a blocking client"):
        node.submit(len, "x")


def test_a_cancelled_future_cancels_the_call_on_the_wire(client, node, seen):
    future = node.submit(client.slow, 60_000)
    seen(begun=1)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    wait([future])
    assert seen(cancelled=1)["cancelled"] == 1


# -- its life


def test_its_metrics_are_those_of_a_node(client, node):
    client.touch("x")
    with pytest.raises(interop.Refused):
        client.fail("refused")
    told = node.metrics().decode()
    for method, outcome in (("Echo::touch", "ok"), ("Echo::fail", "declared")):
        assert any(method in line and f'"{outcome}"' in line and line.endswith(" 1.0") for line in told.splitlines())


def test_nothing_is_started_before_the_first_call(echo):
    before = set(threading.enumerate())
    node = blocking.Node("test", env={})
    client = node.client(interop.Echo, peers=[echo])
    assert set(threading.enumerate()) == before
    assert client.touch("x") == "x"
    (thread,) = set(threading.enumerate()) - before
    assert thread.name == "mesh-blocking"
    node.close()
    assert not thread.is_alive()


def test_after_close_every_use_is_refused(client, node):
    client.touch("x")
    node.close()
    node.close()
    with pytest.raises(RuntimeError, match="the blocking node 'test' is closed; make another one"):
        client.touch("x")
    with pytest.raises(RuntimeError, match="is closed"):
        node.client(interop.Echo)
    with pytest.raises(RuntimeError, match="is closed"), node:
        pass


def test_a_call_under_way_when_the_node_closes_ends_and_says_why(client, node, echo, seen):
    future = node.submit(client.slow, 60_000)
    seen(begun=1)
    node.close()
    with pytest.raises(Cancelled, match="the blocking node was closed"):
        future.result()
    assert seen(cancelled=1)["cancelled"] == 1


def test_many_threads_closing_and_calling_at_once_end_one_way_or_the_other(echo):
    for _ in range(10):
        node = blocking.Node("test", env={})
        client = node.client(interop.Echo, peers=[echo])
        ends = []

        def work(client=client, ends=ends):
            try:
                while True:
                    client.touch("x")
            except (Cancelled, RuntimeError) as error:
                ends.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        client.touch("x")
        node.close()
        for thread in threads:
            thread.join(10)
        assert len(ends) == 4, ends


def test_a_dropped_node_warns_and_ends_its_thread(echo):
    node = blocking.Node("dropped", env={})
    client = node.client(interop.Echo, peers=[echo])
    client.touch("x")
    thread = node._thread._thread
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del node, client
        gc.collect()
    assert [(found.category, "without close()" in str(found.message)) for found in caught] == [(ResourceWarning, True)]
    thread.join(10)
    assert not thread.is_alive()


def test_calls_leave_no_rings_for_the_collector(client):
    def calls():
        client.touch("x")
        with pytest.raises(interop.Refused):
            client.fail("refused")
        with mesh.deadline(ms=1), pytest.raises(CallTimeout):
            client.slow(1000)

    def found_by_collector():
        calls()
        return gc.collect()

    calls()
    gc.collect()
    gc.disable()
    try:
        # Nothing of a call stays: neither of one that returned, nor with the tracebacks of those that raised.
        assert min(found_by_collector() for _ in range(5)) == 0
    finally:
        gc.enable()
