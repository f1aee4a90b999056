"""Two connections joined by a pipe that hands on as many bytes as it likes, and everything that can happen between.

The rule that must hold whatever the order: an answer reaches the call that it was made for, once, or none; nobody's
mistake ends the connection; and when all has been delivered nothing is left in any table.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mesh.wire import (
    CallExpired,
    CallReceived,
    CallRefused,
    CancelReceived,
    Checksum,
    Connection,
    DrainReceived,
    ErrorReceived,
    Event,
    HandshakeDone,
    Identity,
    Limits,
    PongReceived,
    ResponseReceived,
)

LIMITS = Limits(tombstone_s=2.0, tombstones=8, calls_inbound=6, calls_outbound=5, idle_s=50.0, caller_slack_s=0.2)
HEADERS = {"as": "thrift", "cn": "me"}
SIZES = st.sampled_from([0, 0, 0, 10, 65_400, 65_470, 70_000, 140_000])


class Side:
    """One end: its connection, what it waits for and what it serves. A tag says which call a body belongs to."""

    def __init__(self, dialler: bool) -> None:
        self.connection = Connection(dialler, Identity("127.0.0.1:1", "x"), LIMITS)
        self.waiting: dict[int, bytes] = {}
        self.serving: dict[int, bytes] = {}
        self.cancelled: set[int] = set()
        self.pings: set[int] = set()
        self.told_to_stop = False
        self.sent = bytearray()  # on its way to the other side

    def write(self) -> None:
        self.sent += self.connection.data_to_send()


class Pipe(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = self.emptied_at = 100.0
        self.tags = 0
        self.sides = (Side(True), Side(False))
        for side in self.sides:
            side.connection.start(self.now)
        for _ in range(2):
            for side in self.sides:
                self.pass_on(side, 1 << 30)
        assert all(side.connection.peer is not None for side in self.sides)

    # What happens

    def pass_on(self, side: Side, count: int) -> None:
        side.write()
        data, side.sent = bytes(side.sent[:count]), side.sent[count:]
        other = self.sides[side is self.sides[0]]
        if data:
            self.take(other, other.connection.receive(data, self.now))

    def take(self, side: Side, events: list[Event]) -> None:
        for event in events:
            match event:
                case CallReceived():
                    assert event.id not in side.serving
                    assert event.arg1 == b"echo"
                    assert event.arg2 == event.arg3[:12]
                    assert 0 < event.ttl_ms <= 2_000
                    side.serving[event.id] = event.arg3[:12]
                case ResponseReceived():
                    tag = side.waiting.pop(event.id)
                    assert event.arg2 == tag, "another call's answer"
                    assert event.arg3[:12] == tag
                    assert event.tracing[:12] == tag
                case ErrorReceived():
                    tag = side.waiting.pop(event.id)
                    assert event.tracing[:12] == tag
                    assert event.code in (1, 2, 3, 4) or event.message.encode() == tag, "another call's error"
                case CancelReceived():
                    assert event.id in side.serving
                    side.cancelled.add(event.id)
                case CallExpired():
                    del side.serving[event.id]
                case PongReceived():
                    side.pings.remove(event.id)
                case DrainReceived():
                    side.told_to_stop = True
                case HandshakeDone():
                    pass
                case _:
                    raise AssertionError(f"{event}")

    # What may happen

    @rule(data=st.data(), size=SIZES, ttl_ms=st.integers(1, 2_000), checksum=st.sampled_from([0, 1, 3, 3]))
    def call(self, data: Any, size: int, ttl_ms: int, checksum: int) -> None:
        side = data.draw(st.sampled_from(self.sides))
        self.tags += 1
        tag = b"tag %08d" % self.tags
        call = functools.partial(
            side.connection.send_call,
            now=self.now, ttl_ms=ttl_ms, tracing=tag + bytes(13), service="svc", headers=HEADERS,
            arg1=b"echo", arg2=tag, arg3=tag + bytes(size), checksum=Checksum(checksum),
        )  # fmt: skip
        if len(side.waiting) == LIMITS.calls_outbound or side.told_to_stop:
            with pytest.raises(CallRefused):
                call()
            return
        id = call()
        assert id not in side.waiting
        side.waiting[id] = tag

    @rule(data=st.data(), count=st.one_of(st.integers(1, 200), st.integers(1, 100_000), st.just(1 << 30)))
    def deliver(self, data: Any, count: int) -> None:
        self.pass_on(data.draw(st.sampled_from(self.sides)), count)

    @precondition(lambda self: any(side.serving for side in self.sides))
    @rule(data=st.data(), size=SIZES, how=st.sampled_from(["ok", "ok", "declared", "error"]))
    def answer(self, data: Any, size: int, how: str) -> None:
        side = data.draw(st.sampled_from([side for side in self.sides if side.serving]))
        id = data.draw(st.sampled_from(sorted(side.serving)))
        tag = side.serving.pop(id)
        if id in side.cancelled:
            side.cancelled.discard(id)
            assert side.connection.respond_error(id, 2, "cancelled")
        elif how == "error":
            assert side.connection.respond_error(id, 5, tag.decode())
        else:
            assert side.connection.respond(id, ok=how == "ok", arg2=tag, arg3=tag + bytes(size))
        assert not side.connection.respond_error(id, 5, "twice")

    @precondition(lambda self: any(side.waiting for side in self.sides))
    @rule(data=st.data(), tell=st.booleans())
    def give_up(self, data: Any, tell: bool) -> None:
        side = data.draw(st.sampled_from([side for side in self.sides if side.waiting]))
        id = data.draw(st.sampled_from(sorted(side.waiting)))
        del side.waiting[id]
        connection = side.connection
        assert connection.cancel(id, "bored", self.now) if tell else connection.abandon(id, self.now)

    @rule(data=st.data())
    def ping(self, data: Any) -> None:
        side = data.draw(st.sampled_from(self.sides))
        side.pings.add(side.connection.ping(self.now))

    @rule(seconds=st.sampled_from([0.001, 0.1, 0.5, 1.5]))
    def wait(self, seconds: float) -> None:
        if self.now + seconds - self.emptied_at >= LIMITS.tombstone_s:
            # The rest of a refused message is known for as long as a tombstone lives. A pipe that holds bytes back for
            # longer than that does end the connection, and should (see test_time).
            for side in self.sides * 2:
                self.pass_on(side, 1 << 30)
            self.emptied_at = self.now
        self.now += seconds
        for side in self.sides:
            self.take(side, side.connection.on_timer(self.now))

    @rule(data=st.data())
    def drain(self, data: Any) -> None:
        if data.draw(st.integers(0, 9)) == 0:
            data.draw(st.sampled_from(self.sides)).connection.drain("tea", self.now)

    # What must hold

    @invariant()
    def tables_say_the_same(self) -> None:
        for side in self.sides:
            connection = side.connection
            assert not connection.closing
            assert connection._outbound.calls.keys() == side.waiting.keys()
            assert connection._inbound.calls.keys() == side.serving.keys()
            assert len(connection._outbound.over.until) <= LIMITS.tombstones

    def teardown(self) -> None:
        """Everything is delivered and all time passes: nothing is left and nobody waits."""
        for seconds in (0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 0.1):
            self.now += seconds
            for side in self.sides:
                self.take(side, side.connection.on_timer(self.now))
                self.pass_on(side, 1 << 30)
        for side in self.sides:
            inbound, outbound = side.connection._inbound, side.connection._outbound
            assert not side.waiting
            assert not side.serving
            assert not side.pings
            assert not inbound.halves.by_id
            assert not outbound.halves.by_id
            assert (inbound.halves._budget.messages, inbound.halves._budget.bytes) == (0, 0)
            assert not inbound.over.until
            assert not outbound.over.until
            assert not side.connection.closing


TestPipe = Pipe.TestCase
TestPipe.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.soak
def test_pipe_soak(soak_record: Callable[..., None]) -> None:
    cases = max(60, int(os.environ.get("THRIFTMESH_SOAK_CASES", "100000")) // 100)
    run_state_machine_as_test(Pipe, settings=settings(max_examples=cases, stateful_step_count=80))
    soak_record(cases=cases, steps=80)
