import asyncio
import os
import random
import re

import pytest

from mesh.balance import Endpoint
from mesh.call import OK, Reply
from mesh.call.context import context_var
from mesh.errors import (
    BadRequest,
    Busy,
    CallTimeout,
    Declined,
    NetworkError,
    Unexpected,
    Unreachable,
)
from mesh.testing.leaks import no_leaks
from tests.net.pair import Pair, method


async def echo(call):
    return Reply(OK, call.body, dict(call.headers))


async def test_there_and_back(network):
    async with no_leaks(), Pair(network, echo) as pair:
        reply = await pair.call(b"hello", headers={"k": "v", "ü": "ß"})
        assert reply.outcome is OK
        assert reply.value == b"hello"
        assert reply.headers == {"k": "v", "ü": "ß"}
        assert reply.peer == pair.listener.address


@pytest.mark.parametrize("size", [0, 1, 65_000, 65_535, 65_536, 200_000, 5_000_000])
async def test_sizes(network, size):
    body = os.urandom(size)
    async with Pair(network, echo, timeout_ms=20_000) as pair:
        assert (await pair.call(body)).value == body


async def test_what_travels_with_a_call(network):
    seen = {}

    async def leaf(call):
        seen.update(caller=call.caller, baggage=call.baggage, headers=call.headers, sk=call.shard_key)
        seen.update(trace=call.trace.id, remaining=call.deadline - pair.clock.now())
        return Reply(OK)

    async with Pair(network, leaf) as pair:
        await pair.call(
            b"", baggage={"tenant": "x"}, headers={"a": "b"}, shard_key="s", deadline=pair.clock.now() + 0.5
        )
    assert seen["caller"] == "test"
    assert seen["baggage"] == {"tenant": "x"}
    assert seen["headers"] == {"a": "b"}
    assert seen["sk"] == "s"
    assert 0.3 < seen["remaining"] <= 0.5


@pytest.mark.parametrize("row", [Busy, Unexpected, BadRequest, Declined])
async def test_failures_keep_their_meaning(network, row):
    async def leaf(call):
        return Reply(row("because"))

    async with Pair(network, leaf) as pair:
        outcome = (await pair.call()).outcome
        assert type(outcome) is row
        assert outcome.peer == pair.listener.address
        assert "because" in str(outcome)


async def test_a_bug_below_the_stack_is_answered_and_tells_nothing(network, caplog):
    async def leaf(call):
        raise RuntimeError("secret")

    async with Pair(network, leaf) as pair:
        outcome = (await pair.call()).outcome
        assert isinstance(outcome, Unexpected)
        assert "secret" not in str(outcome)
    assert "secret" in caplog.text


async def test_an_answer_that_cannot_be_sent_is_a_failure_that_is_told(network, caplog):
    async def leaf(call):
        if call.body == b"number":
            return Reply(OK, b"", {"k": 5})
        if call.body == b"headers":
            return Reply(OK, b"", {"k": "x" * 100_000})
        return Reply(OK, bytes(10_000_000))

    async with Pair(network, leaf) as pair:
        for body, reason in ((b"headers", "reply headers"), (b"number", "reply headers"), (b"body", "may be sent")):
            outcome = (await pair.call(body)).outcome
            assert isinstance(outcome, Unexpected)
            assert reason in str(outcome)
        assert len(caplog.records) == 3
        assert isinstance((await pair.call(bytes(10_000_000))).outcome, BadRequest)
        assert isinstance((await pair.call(headers={"k": "x" * 100_000})).outcome, BadRequest)


async def test_unknown_names_say_what_is_there(network):
    async with Pair(network, echo) as pair:
        outcome = (await pair.call(of=method("ecco"))).outcome
        assert isinstance(outcome, BadRequest)
        assert "Echo::echo" in str(outcome)
        outcome = (await pair.call(service="pricing")).outcome
        assert isinstance(outcome, BadRequest)
        assert "interop" in str(outcome)


async def test_a_slow_call_holds_up_nobody(network):
    gate = asyncio.Event()

    async def leaf(call):
        if call.body == b"slow":
            await gate.wait()
        return Reply(OK, call.body)

    async with Pair(network, leaf) as pair:
        slow = asyncio.create_task(pair.call(b"slow"))
        for _ in range(50):
            assert (await pair.call(b"quick")).value == b"quick"
        assert not slow.done()
        gate.set()
        assert (await slow).value == b"slow"


async def test_a_cancelled_caller_stops_the_handler(network):
    started, stopped = asyncio.Event(), asyncio.Event()

    async def leaf(call):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with no_leaks(), Pair(network, leaf, timeout_ms=60_000) as pair:
        task = asyncio.create_task(pair.call())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await stopped.wait()


async def test_a_passed_deadline_stops_the_handler(network):
    stopped = asyncio.Event()

    async def leaf(call):
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with no_leaks(), Pair(network, leaf, timeout_ms=50) as pair:
        await pair.peers.connect(pair.listener.address)
        outcome = (await pair.call()).outcome
        assert isinstance(outcome, CallTimeout)
        async with asyncio.timeout(5):
            await stopped.wait()


async def test_a_handler_that_ignores_its_cancel_cannot_hold_the_answer(network):
    release = asyncio.Event()

    async def leaf(call):
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()
        return Reply(OK)

    async with Pair(network, leaf, timeout_ms=50) as pair:
        await pair.peers.connect(pair.listener.address)  # 50 ms may be too few for that on a busy machine
        outcome = (await pair.call()).outcome
        assert isinstance(outcome, CallTimeout)
        release.set()


async def test_nobody_there(network):
    async with Pair(network, echo) as pair:
        await pair.listener.close()
        outcome = (await pair.call()).outcome
        assert isinstance(outcome, Unreachable)
        assert pair.listener.address in str(outcome)


async def test_a_port_that_says_nothing(network):
    async with Pair(network, echo) as pair:
        mute = await network.listen("127.0.0.1:0", asyncio.Protocol)
        pair.endpoints.update([Endpoint(mute.address)])
        outcome = (await pair.call(deadline=pair.clock.now() + 0.2)).outcome
        assert isinstance(outcome, Unreachable)
        assert re.search(r"connected, but no TChannel handshake within 1\d\d ms; is that its RPC port\?", str(outcome))
        await mute.close()


async def test_a_dying_connection_fails_its_calls_at_once(network):
    async def leaf(call):
        await asyncio.sleep(60)

    async with no_leaks(), Pair(network, leaf, timeout_ms=60_000) as pair:
        calls = [asyncio.create_task(pair.call()) for _ in range(10)]
        while pair.dispatcher.in_flight < 10:
            await asyncio.sleep(0)
        for link in pair.links.incoming():
            link._transport.abort()
        async with asyncio.timeout(5):
            outcomes = [(await call).outcome for call in calls]
        assert {type(outcome) for outcome in outcomes} == {NetworkError}
        while pair.dispatcher.in_flight:
            await asyncio.sleep(0)


async def test_draining_declines_the_new_and_finishes_the_old(network):
    gate = asyncio.Event()

    async def leaf(call):
        await gate.wait()
        return Reply(OK, call.body)

    async with Pair(network, leaf, timeout_ms=20_000) as pair:
        old = asyncio.create_task(pair.call(b"old"))
        while not pair.dispatcher.in_flight:
            await asyncio.sleep(0)
        pair.dispatcher.drain("test")
        assert isinstance((await pair.call(b"new")).outcome, Declined)
        for link in pair.links.incoming():
            link.drain("test")
        gate.set()
        assert (await old).value == b"old"
        await pair.dispatcher.finished()


async def test_full_pipes_both_ways_do_not_stop_each_other(network):
    body = os.urandom(1_000_000)
    async with Pair(network, echo, timeout_ms=60_000) as pair:
        replies = await asyncio.gather(*(pair.call(body) for _ in range(64)))
        assert all(reply.value == body for reply in replies)


async def test_what_is_told_as_not_sent_was_not_sent(network):
    ran = []

    async def leaf(call):
        ran.append(call.body)
        return Reply(OK)

    async with Pair(network, leaf) as pair:
        await pair.call(b"first")
        [link] = [link for link in pair.links if link.dialler]
        task = asyncio.create_task(pair.call(b"second"))
        await asyncio.sleep(0)  # it is in the wire's hands, and no loop turn has ended since
        link.close("the test says so")
        assert isinstance((await task).outcome, Unreachable)
        assert (await pair.call(b"third")).outcome is OK, "dialled again at once"
        assert ran == [b"first", b"third"]


async def test_a_burst_waits_for_the_pipe_and_does_not_break_it(network, monkeypatch):
    monkeypatch.setattr("mesh.net.link.MAX_UNREAD_BYTES", 4_000_000)
    body = os.urandom(1_000_000)
    async with Pair(network, echo, timeout_ms=60_000) as pair:
        replies = await asyncio.gather(*(pair.call(body) for _ in range(20)))
        assert all(reply.value == body for reply in replies)


async def test_the_bodies_of_calls_under_way_have_a_limit(network, monkeypatch):
    monkeypatch.setattr("mesh.net.inbound.MAX_SERVING_BYTES", 2_500_000)
    gate = asyncio.Event()

    async def leaf(call):
        await gate.wait()
        return Reply(OK)

    async with Pair(network, leaf, timeout_ms=20_000) as pair:
        calls = [asyncio.create_task(pair.call(bytes(1_000_000))) for _ in range(3)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert [type(task.result().outcome) for task in done] == [Busy]
        gate.set()
        assert sorted([(await task).outcome is OK for task in calls]) == [False, True, True]
        assert (await pair.call(bytes(2_000_000))).outcome is OK
        assert {link.serving_bytes for link in pair.links} == {0}


async def test_a_handler_cancelled_from_inside_is_its_own_failure(network, caplog):
    async def leaf(call):
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    async with Pair(network, leaf) as pair:
        assert isinstance((await pair.call()).outcome, Unexpected)
    assert "cancelled from inside" in caplog.text


async def test_no_more_connections_than_allowed(network, caplog):
    async with Pair(network, echo, max_incoming=3) as pair:
        links = [await network.dial(pair.listener.address, lambda: pair.link(dialler=True)) for _ in range(5)]
        results = await asyncio.gather(*(link.ready for link in links), return_exceptions=True)
        assert [result for result in results if result is None] == [None] * 3
        assert sum(isinstance(result, ConnectionError) for result in results) == 2
        links[0].close("makes room")
        while len(pair.links._incoming) == 3:
            await asyncio.sleep(0)
        assert (await pair.call(b"x")).value == b"x"
    assert "too many connections" in caplog.text


async def test_connections_are_made_once_and_shared(network):
    async with Pair(network, echo) as pair:
        await asyncio.gather(*(pair.call(b"x") for _ in range(50)))
        assert len(list(pair.links)) == 2  # both ends of the one


async def test_a_giving_up_caller_does_not_stop_the_dialling_for_others(network):
    async with Pair(network, echo) as pair:
        first, second = asyncio.create_task(pair.call(b"1")), asyncio.create_task(pair.call(b"2"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).value == b"2"


async def test_every_call_is_counted_once(network):
    async def leaf(call):
        context_var.set(None)
        return Reply(OK if call.body == b"ok" else Busy("no"))

    async with Pair(network, leaf) as pair:
        for body in (b"ok", b"ok", b"no"):
            await pair.call(body)
        [series] = pair.called._series.values()
        assert series.outcomes == {("test", "ok"): 2, ("test", "busy"): 1}
        [series] = pair.served._series.values()
        assert series.outcomes == {("test", "ok"): 2, ("test", "busy"): 1}
        assert series.in_flight == 0
        assert sum(series.buckets) == 3


async def tagged_calls(network, count: int, seed: int) -> dict[str, int]:
    """Calls with random delays, some cancelled, some timed out: each answer must be its own call's."""
    rng = random.Random(seed)
    told = {"answered": 0, "cancelled": 0, "timeout": 0}

    async def leaf(call):
        delay = int.from_bytes(call.body[8:10])
        if delay:
            await asyncio.sleep(delay / 10_000)
        return Reply(OK, call.body[:8])

    async with Pair(network, leaf, timeout_ms=60_000) as pair:
        assert (await pair.call(bytes(10))).outcome is OK  # connected

        async def one(tag: bytes) -> None:
            delay = rng.choice((0, 0, rng.randrange(300)))
            fate = rng.random()
            deadline = pair.clock.now() + (rng.uniform(0.001, 0.02) if fate < 0.1 else 60)
            task = asyncio.create_task(pair.call(tag + delay.to_bytes(2), deadline=deadline))
            if 0.1 < fate < 0.2:
                await asyncio.sleep(rng.uniform(0, 0.01))
                task.cancel()
            try:
                reply = await task
            except asyncio.CancelledError:
                told["cancelled"] += 1
                return
            if isinstance(reply.outcome, CallTimeout):
                told["timeout"] += 1
                return
            assert reply.outcome is OK, f"seed {seed}: {reply.outcome}"
            assert reply.value == tag, f"seed {seed}: {tag!r} got the answer of {reply.value!r}"
            told["answered"] += 1

        numbers = iter(range(count))

        async def worker() -> None:
            for number in numbers:
                await one(number.to_bytes(8))

        await asyncio.gather(*(worker() for _ in range(100)))
        async with asyncio.timeout(10):
            await pair.dispatcher.finished()
    assert sum(told.values()) == count
    return told


@pytest.mark.soak
async def test_no_answer_reaches_another_caller(network, soak_record):
    count = (
        int(os.environ.get("THRIFTMESH_SOAK_CASES", "30000")) // 10
    )  # a call costs ten times what a codec's case does
    seed = random.SystemRandom().randrange(2**32)
    told = await tagged_calls(network, count, seed)
    soak_record(cases=count, seed=seed, **told)
    assert min(told.values()) > 0
