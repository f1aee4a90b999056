"""Whatever happens because time passed: expiry, tombstones, silence."""

from __future__ import annotations

from math import inf

import pytest

from mesh.wire import CallExpired, CallReceived, Connection, ConnectionClosed, ErrorReceived, Limits
from tests.wire.world import TRACING, acceptor, answer, call, dialler, error, errors, frame, kinds, more, send, summed

HALF = call(2, b"a", b"b", flags=1)
REST = more(0x13, 2, b"", b"c", seed=summed(b"a", b"b"))


def run_until(connection: Connection, end: float) -> list[tuple[float, object]]:
    """Calls `on_timer` whenever it asks to be called, up to `end`; what happened and when."""
    happened: list[tuple[float, object]] = []
    for _ in range(10_000):
        at = connection.next_timer()
        if at is None or at > end:
            return happened
        happened += [(round(at, 6), event) for event in connection.on_timer(at)]
    raise AssertionError("the timer never rests")


@pytest.mark.parametrize("warm", [False, True])
def test_the_server_answers_when_the_ttl_runs_out(warm: bool) -> None:
    server = acceptor()
    if warm:
        server.receive(call(900), 0.0)
        server.respond(900, ok=True, arg2=b"", arg3=b"")
    server.receive(call(2, ttl=500) + call(3, ttl=300) + call(4, ttl=500), 1.0)
    server.respond(4, ok=True, arg2=b"", arg3=b"")
    server.data_to_send()
    assert run_until(server, 1.3) == [], "a filter above gets its chance first"
    assert run_until(server, 2.0) == [(1.32, CallExpired(3)), (1.52, CallExpired(2))]
    said = server.data_to_send()
    assert [(id, code) for id, code, _ in errors(said)] == [(3, 1), (2, 1)]
    assert TRACING in said
    assert not server.respond(2, ok=True, arg2=b"", arg3=b""), "a later result is dropped"
    assert server.bytes_pending == 0 == server.inbound_in_flight


def test_expiry_of_many_is_one_look_at_the_table() -> None:
    """A peer's shortest ttls do not make the timer fire more often than every 10 ms."""
    server = acceptor(Limits(idle_s=inf))
    server.receive(b"".join(call(id, ttl=id) for id in range(2, 202)), 0.0)
    fired = 0
    expired = []
    while (at := server.next_timer()) is not None:
        fired += 1
        expired += server.on_timer(at)
    assert len(expired) == 200
    assert fired <= 21 + 2


def test_a_call_in_pieces_has_the_ttl_of_its_first_frame() -> None:
    server = acceptor()
    server.receive(HALF, 10.0)
    (event,) = server.receive(REST, 10.4)
    assert isinstance(event, CallReceived)
    assert event.ttl_ms == 600
    assert run_until(server, 12.0) == [(11.02, CallExpired(2))]


def test_half_a_call_is_dropped_at_its_ttl_and_its_rest_ignored() -> None:
    server = acceptor()
    server.receive(HALF, 10.0)
    assert run_until(server, 12.0) == [], "nobody above knows of it"
    assert [(id, code) for id, code, _ in errors(server.data_to_send())] == [(2, 1)]
    assert server._inbound.halves._budget.bytes == 0
    assert server.receive(REST, 12.0) == []
    assert not server.closing


def test_half_a_call_is_not_held_for_49_days() -> None:
    server = acceptor(Limits(assembling_s=5.0, idle_s=inf))
    data = call(2, b"a", b"b", flags=1, ttl=0xFFFFFFFF)
    server.receive(data, 0.0)
    run_until(server, 6.0)
    assert [(id, code) for id, code, _ in errors(server.data_to_send())] == [(2, 1)]
    whole = acceptor(Limits(assembling_s=5.0, idle_s=inf))
    assert kinds(whole.receive(data + REST, 0.0)) == ["CallReceived"]
    assert run_until(whole, 100.0) == [], "but a whole one has its ttl"


def test_tombstones_end_and_then_the_connection_is_strict_again() -> None:
    limits = Limits(tombstone_s=5.0, idle_s=inf)
    for late, closes in ((4.9, False), (5.1, True)):
        server = acceptor(limits)
        server.receive(call(2, b"a", b"b", flags=1, wrong=1), 0.0)
        run_until(server, late)
        server.receive(REST, late)
        assert server.closing is closes


def test_a_slow_rest_keeps_its_tombstone() -> None:
    server = acceptor(Limits(tombstone_s=5.0, idle_s=inf))
    server.receive(call(2, b"a", b"b", flags=1, wrong=1), 0.0)
    for at in (4.0, 8.0, 12.0):
        run_until(server, at)
        server.receive(more(0x13, 2, b"b", flags=1), at)
    assert not server.closing
    assert kinds(server.receive(call(2), 12.0)) == ["CallReceived"], "its number may be used again"


def test_tombstones_are_bounded_oldest_first() -> None:
    client = dialler(Limits(tombstones=3))
    for id in (2, 3, 4, 5):
        send(client)
        client.abandon(id, float(id))
    assert list(client._outbound.over.until) == [3, 4, 5]


def test_a_call_of_ours_that_nobody_gave_up_is_dropped() -> None:
    client = dialler()
    send(client, now=0.0, ttl_ms=500)
    answered = send(client, now=0.0, ttl_ms=500)
    client.receive(answer(answered), 0.1)
    ((at, event),) = run_until(client, 5.0)
    assert at == 1.5
    assert isinstance(event, ErrorReceived)
    assert (event.id, event.code) == (2, 1)
    assert client.receive(answer(2), 5.0) == []
    assert client.outbound_in_flight == 0


def test_half_an_answer_is_dropped_with_its_call() -> None:
    client = dialler(Limits(assembling_s=2.0))
    send(client, ttl_ms=10_000)
    send(client, ttl_ms=500)
    client.receive(answer(2, b"", b"b", flags=1) + answer(3, b"", b"b", flags=1), 0.0)
    happened = run_until(client, 20.0)
    assert [(at, event.id, event.code) for at, event in happened if isinstance(event, ErrorReceived)] == [
        (1.5, 3, 1),
        (2.0, 2, 0xFF),
    ]
    assert client._outbound.halves._budget.bytes == 0 == client._outbound.halves._budget.messages


def test_a_silent_mesh_peer_is_asked_and_then_given_up() -> None:
    limits = Limits(idle_s=60.0, pong_s=10.0)
    server = acceptor(limits, mesh=True)
    server.receive(call(2, ttl=3_600_000), 5.0)
    assert run_until(server, 66.0) == []
    assert server.data_to_send() == frame(0xD0, 1)
    ((at, closed),) = run_until(server, 100.0)
    assert at == 75.0
    assert isinstance(closed, ConnectionClosed)
    assert "70 s" in closed.reason
    assert closed.inbound == (2,)
    assert server.data_to_send() == b"", "nobody would read it"


def test_one_that_answers_is_kept() -> None:
    server = acceptor(Limits(idle_s=60.0, pong_s=10.0))
    for round in range(1, 5):
        asked_at = 60.0 * round + round - 1
        assert run_until(server, asked_at) == []
        assert server.data_to_send() == frame(0xD0, round)
        assert server.receive(frame(0xD1, round), asked_at + 1.0) == [], "our own question: nobody above hears of it"
    assert server.on_timer(1_000.0) == [], "the loop stood still, so the next question comes first"
    assert server.data_to_send() == frame(0xD0, 5)
    assert not server.closing


def test_a_late_timer_still_gives_time_to_answer() -> None:
    """The loop stood still: the peer was never asked."""
    server = acceptor(Limits(idle_s=60.0, pong_s=10.0), mesh=True)
    assert server.on_timer(500.0) == []
    assert server.on_timer(500.5) == []
    assert server.next_timer() == 510.0
    assert kinds(server.on_timer(510.0)) == ["ConnectionClosed"]


def test_a_foreign_peer_with_calls_under_way_is_not_given_up() -> None:
    client = dialler(Limits(idle_s=60.0, pong_s=10.0))
    send(client, ttl_ms=600_000)
    assert run_until(client, 400.0) == []
    assert not client.closing
    client.receive(answer(2), 400.0)
    assert kinds([event for _, event in run_until(client, 480.0)]) == ["ConnectionClosed"]  # type: ignore[misc]


def test_no_timer_is_left_at_the_end() -> None:
    server = acceptor()
    server.receive(call(), 0.0)
    server.receive(error(0xFFFFFFFF, 0xFF, "bye"), 0.0)
    assert server.next_timer() is None


@pytest.mark.parametrize("warm", [False, True])
def test_no_call_is_kept_for_as_long_as_a_damaged_ttl_says(warm: bool) -> None:
    server = acceptor(Limits(call_s=5.0, idle_s=inf))
    if warm:
        server.receive(call(900), 0.0)
        server.respond(900, ok=True, arg2=b"", arg3=b"")
    server.receive(call(2, ttl=0xFFFF_FFFF), 1.0)
    assert run_until(server, 1e9) == [(6.02, CallExpired(2))]
