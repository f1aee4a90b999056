"""What a calling connection does with answers, errors and refused calls."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mesh.wire import (
    CallRefused,
    Checksum,
    ConnectionClosed,
    DrainReceived,
    ErrorReceived,
    Limits,
    PongReceived,
    ResponseReceived,
)
from tests.wire.world import (
    AS_THRIFT,
    NOBODY,
    TRACING,
    answer,
    call,
    cancel,
    dialler,
    error,
    errors,
    frame,
    more,
    send,
    split,
    summed,
    transport,
)

OTHER_SPAN = bytes(7) + b"\x08" + TRACING[8:]
OTHER_PARENT = TRACING[:8] + bytes(7) + b"\x08" + TRACING[16:]
HALF = answer(2, b"", b"b", flags=1)
REST = more(0x14, 2, b"", b"c", seed=summed(b"b"))


@dataclass(frozen=True)
class Rule:
    """`comes`: the event for our one call, number 2, as (class, code or ok); None: it still waits."""

    name: str
    data: bytes
    comes: tuple[type, object] | None
    closes: bool = False


OK, NOT_OK = (ResponseReceived, True), (ResponseReceived, False)

RULES = [
    Rule("an answer", answer(), OK),
    Rule("an application error", answer(code=1), NOT_OK),
    Rule("an application error of another code", answer(code=77), NOT_OK),
    Rule("an answer without checksum", answer(checksum=0), OK),
    Rule("an answer with CRC-32", answer(checksum=1), OK),
    Rule("an answer without as", answer(headers=()), OK),
    Rule("an answer with arg1", answer(2, b"ignored", b"bb", b"ccc"), OK),
    Rule("an answer with other headers", answer(headers=(("as", "raw"), ("fd", "x"))), OK),
    Rule("an answer in two frames", HALF + REST, OK),
    Rule("an answer in two frames, byte 2 of a chunk", answer(2, b"", flags=1) + more(0x14, 2, b"", b"x", b"y"), OK),
    Rule("an answer twice: the second is late", answer() + answer(), OK),
    Rule("another call's answer", answer(3), None),
    Rule("half an answer", HALF, None),
    Rule("another span, a foreign peer", answer(tracing=OTHER_SPAN), OK),
    Rule("an error", error(2, 3, "busy"), (ErrorReceived, 3)),
    Rule("an error after half an answer, the rest is ignored", HALF + error(2, 1, "late"), (ErrorReceived, 1)),
    Rule("a fatal error with a number fails that call alone", error(2, 0xFF, "wrong sum"), (ErrorReceived, 0xFF)),
    Rule("a wrong sum: it ran, the bytes are lost", answer(wrong=1), (ErrorReceived, 7)),
    Rule("a wrong sum in the second frame", HALF + more(0x14, 2, b"", b"c"), (ErrorReceived, 7)),
    Rule("checksum type 2", answer(checksum=2), (ErrorReceived, 0xFF)),
    Rule("a stream", answer(flags=2), (ErrorReceived, 0xFF)),
    Rule("a wrong sum in the first of two frames", answer(2, b"", b"b", flags=1, wrong=1) + REST, (ErrorReceived, 7)),
    Rule("two arguments", answer(2, b"", b"b"), (ConnectionClosed, 0xFF), closes=True),
    Rule("a key twice", answer(headers=(("as", "a"), ("as", "b"))), (ConnectionClosed, 0xFF), closes=True),
    Rule("two answers into one another", HALF + answer(), (ConnectionClosed, 0xFF), closes=True),
    Rule("a further frame of nothing", more(0x14, 2, b"x"), (ConnectionClosed, 0xFF), closes=True),
    Rule("the peer's fatal error", error(NOBODY, 0xFF, "bye"), (ConnectionClosed, 0xFF), closes=True),
    Rule("a cancel of a call that the peer never made", cancel(2), None),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("step", [1_000_000, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("warm", [False, True], ids=["first", "after an answer like it"])
def test_rule(rule: Rule, step: int, warm: bool) -> None:
    client = dialler()
    assert send(client) == 2
    if warm:
        for checksum in (0, 1, 3):
            id = send(client)
            assert len(client.receive(answer(id, checksum=checksum), 0.0)) == 1
    client.data_to_send()
    events = []
    for at in range(0, len(rule.data), step):
        events += client.receive(rule.data[at : at + step], 0.0)
    assert [type(event) for event in events] == ([rule.comes[0]] if rule.comes else [])
    for event in events:
        assert isinstance(event, (ResponseReceived, ErrorReceived, ConnectionClosed))
        assert rule.comes is not None
        assert (event.ok if isinstance(event, ResponseReceived) else event.code) == rule.comes[1]
    assert client.closing is rule.closes
    assert client.outbound_in_flight == (0 if rule.comes else 1)
    if rule.comes:
        assert client._outbound.halves.by_id == {}


@pytest.mark.parametrize(
    ("data", "fine"),
    [
        (answer(), True),
        (answer(tracing=OTHER_PARENT), True),
        (error(2, 5, "x"), True),
        (answer(tracing=OTHER_SPAN), False),
        (answer(2, b"", b"b", flags=1, tracing=OTHER_SPAN), False),
        (error(2, 5, "x", tracing=OTHER_SPAN), False),
        (answer(77, tracing=OTHER_SPAN), True),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_between_mesh_nodes_an_answer_has_its_calls_span(data: bytes, fine: bool, warm: bool) -> None:
    client = dialler(mesh=True)
    send(client)
    if warm:
        client.receive(answer(send(client)), 0.0)
    client.data_to_send()
    events = client.receive(data, 0.0)
    assert client.closing is not fine
    if not fine:
        (closed,) = events
        assert isinstance(closed, ConnectionClosed)
        assert closed.calls == ((2, True),)
        assert "span" in closed.reason
        assert [(id, code) for id, code, _ in errors(client.data_to_send())] == [(NOBODY, 0xFF)]


def test_events_carry_what_came() -> None:
    client = dialler()
    for _ in range(3):
        send(client)
    events = client.receive(answer(3, code=1) + error(2, 5, "boom") + answer(4, b"", b"", b"", checksum=0), 0.0)
    assert events == [
        ResponseReceived(3, False, {"as": "thrift"}, TRACING, b"bb", b"ccc"),
        ErrorReceived(2, 5, "boom", TRACING),
        ResponseReceived(4, True, {"as": "thrift"}, TRACING, b"", b""),
    ]


@pytest.mark.parametrize("checksum", list({Checksum.NONE, Checksum.CRC32, Checksum.CRC32C}))
@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_call_is_the_bytes_that_it_should_be(checksum: Checksum, as_bytes: bool) -> None:
    client = dialler()
    headers = transport(AS_THRIFT) if as_bytes else dict(AS_THRIFT)
    for id in (2, 3):
        assert send(client, headers=headers, checksum=checksum, ttl_ms=4_000_000_000) == id
        assert client.data_to_send() == call(id, ttl=4_000_000_000, checksum=checksum)


REFUSALS = {
    "ttl 0": {"ttl_ms": 0},
    "a negative ttl": {"ttl_ms": -1},
    "a ttl that does not fit": {"ttl_ms": 1 << 32},
    "arg1 too long": {"arg1": b"x" * 16_385},
    "too long altogether": {"arg3": bytes(9 << 20)},
    "no service": {"service": ""},
    "a service of 256 bytes": {"service": "s" * 256},
    "no as": {"headers": {"cn": "me"}},
    "no cn": {"headers": {"as": "thrift"}},
    "a long key": {"headers": {"k" * 17: "", **dict(AS_THRIFT)}},
    "an empty key": {"headers": {"": "", **dict(AS_THRIFT)}},
    "a long value": {"headers": {"sk": "v" * 256, **dict(AS_THRIFT)}},
    "129 headers": {"headers": {f"k{i}": "" for i in range(127)} | dict(AS_THRIFT)},
    "lone surrogates": {"headers": {"sk": "\udc80", **dict(AS_THRIFT)}},
    "a block with a key twice": {"headers": transport((*AS_THRIFT, ("as", "raw")))},
    "a block that goes on": {"headers": transport(AS_THRIFT) + b"x"},
    "a block cut short": {"headers": transport(AS_THRIFT)[:-1]},
    "an empty block": {"headers": b""},
    "a checksum nobody takes": {"checksum": Checksum.FARMHASH},
}


@pytest.mark.parametrize("changes", REFUSALS.values(), ids=REFUSALS)
def test_what_can_never_be_sent_is_refused_before_a_byte(changes: dict[str, object]) -> None:
    client = dialler()
    with pytest.raises(CallRefused) as refused:
        send(client, **changes)
    assert refused.value.permanent
    assert client.bytes_pending == 0 == client.outbound_in_flight
    assert send(client) == 2, "and no number was used up"


def test_the_longest_of_everything_is_sent_in_order() -> None:
    """Service, headers and arg1 at their bounds still leave room for arg2's chunk in the first frame."""
    client = dialler()
    headers = {f"{i:016d}": "v" * 255 for i in range(126)} | dict(AS_THRIFT)
    send(client, service="s" * 255, headers=headers, arg1=b"x" * 16_384, arg2=b"y" * 70_000, arg3=b"")
    (_, _, first), *_ = split(client.data_to_send())
    at = first.index(b"x" * 16_384)
    assert first[at + 16_384 + 2 :] == b"y" * (len(first) - at - 16_386)
    assert len(first) == 65_519


def test_tracing_of_another_size_is_the_callers_bug() -> None:
    for body in (b"", bytes(100_000)):
        with pytest.raises(ValueError, match="25 bytes"):
            send(dialler(), tracing=b"123", arg3=body)


def test_refused_for_now() -> None:
    client = dialler(Limits(calls_outbound=2))
    send(client)
    send(client)
    with pytest.raises(CallRefused, match="2 calls") as refused:
        send(client)
    assert not refused.value.permanent
    client.receive(answer(2), 0.0)
    send(client)
    assert client.receive(error(NOBODY, 4, "draining: restart"), 0.0) == [DrainReceived("restart")]
    with pytest.raises(CallRefused, match="draining: restart") as refused:
        send(client)
    assert not refused.value.permanent
    assert len(client.receive(answer(3), 0.0)) == 1, "calls under way finish"
    client.close(None, "done")
    with pytest.raises(CallRefused, match="closed: done"):
        send(client)
    with pytest.raises(CallRefused, match="closed: done"):
        client.ping(0.0)


def test_what_was_written_when_it_ended() -> None:
    client = dialler()
    early, answered = send(client), send(client)
    client.data_to_send()
    late = send(client)
    client.receive(answer(answered), 0.0)
    (closed,) = client.receive_eof(0.0, "reset by peer")
    assert closed == ConnectionClosed("reset by peer", None, ((early, True), (late, False)))


def test_nothing_was_written_while_nothing_was_handed_out() -> None:
    client = dialler()
    for body in (b"", bytes(200_000)):
        send(client, arg3=body)
    (closed,) = client.receive_eof(0.0)
    assert isinstance(closed, ConnectionClosed)
    assert [written for _, written in closed.calls] == [False, False]


def test_what_the_peer_complained_about_is_told_at_the_end() -> None:
    client = dialler()
    assert client.receive(error(NOBODY, 5, "disk full"), 0.0) == []
    (closed,) = client.receive_eof(0.0)
    assert isinstance(closed, ConnectionClosed)
    assert closed.reason == "the peer closed the connection after saying 'disk full'"


def test_cancel_tells_the_peer_and_ignores_the_answer() -> None:
    client = dialler()
    send(client)
    client.data_to_send()
    client.receive(HALF, 0.0)
    assert client.cancel(2, "bored", 0.4)
    ((kind, id, payload),) = split(client.data_to_send())
    assert (kind, id) == (0xC0, 2)
    assert int.from_bytes(payload[:4]) == 600, "what is left of the ttl"
    assert payload[4:29] == TRACING
    assert payload[31:] == b"bored"
    assert not client.cancel(2, "again", 0.4)
    assert client.receive(REST + answer(2) + error(2, 2, "cancelled"), 0.5) == []
    assert not client.closing


def test_abandon_says_nothing_and_ignores_the_answer() -> None:
    client = dialler()
    send(client)
    client.data_to_send()
    assert client.abandon(2, 0.0)
    assert not client.abandon(2, 0.0)
    assert client.bytes_pending == 0 == client.outbound_in_flight
    assert client.receive(HALF + REST, 0.5) == [], "a late answer in two frames"
    assert client.receive(answer(2), 0.5) == []
    assert not client.closing


def test_numbers_wrap_before_none_and_pass_over_those_in_use() -> None:
    client = dialler()
    first, second = send(client), send(client)
    client.abandon(second, 0.0)
    client._outbound._last_id = 0xFFFFFFFD
    assert [send(client) for _ in range(3)] == [0xFFFFFFFE, 1, 4]
    assert (first, second) == (2, 3)


def test_pings_share_the_numbers_and_come_back() -> None:
    client = dialler()
    send(client)
    client.data_to_send()
    assert client.ping(0.0) == 3
    assert split(client.data_to_send()) == [(0xD0, 3, b"")]
    assert client.receive(frame(0xD1, 3), 0.0) == [PongReceived(3)]
    assert send(client) == 4


def test_both_sides_call() -> None:
    """The dialler serves as well, and both may use one number for different calls."""
    client = dialler()
    send(client)
    client.data_to_send()
    (received,) = client.receive(call(2), 0.0)
    assert type(received).__name__ == "CallReceived"
    assert client.respond(2, ok=True, arg2=b"bb", arg3=b"ccc")
    assert client.data_to_send() == answer(2)
    assert client.outbound_in_flight == 1
    assert len(client.receive(answer(2), 0.0)) == 1
