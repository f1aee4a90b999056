"""What an accepting connection does with every kind of frame: bytes in, events and bytes out, as one table."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mesh.wire import CallReceived, CancelReceived, ConnectionClosed, Limits
from tests.wire.world import (
    AS_THRIFT,
    NOBODY,
    TRACING,
    acceptor,
    answer,
    call,
    cancel,
    error,
    errors,
    frame,
    init,
    kinds,
    more,
    split,
    summed,
)


@dataclass(frozen=True)
class Rule:
    """`says` is what must be answered: (id, code, part of the message) of each error frame."""

    name: str
    data: bytes
    events: list[str] = field(default_factory=list)
    says: list[tuple[int, int, str]] = field(default_factory=list)
    closes: bool = False


def fatal(name: str, data: bytes, part: str, events: tuple[str, ...] = ()) -> Rule:
    return Rule(name, data, [*events, "ConnectionClosed"], [(NOBODY, 0xFF, part)], closes=True)


def refused(name: str, data: bytes, part: str, code: int = 6, id: int = 2) -> Rule:
    """The call gets an error, the connection lives, no handler runs."""
    return Rule(name, data, [], [(id, code, part)])


def taken(name: str, data: bytes, *more_events: str) -> Rule:
    return Rule(name, data, ["CallReceived", *more_events])


HALF = call(2, b"a", b"b", flags=1)
REST = more(0x13, 2, b"", b"c", seed=summed(b"a", b"b"))
WRONG_HALF = call(2, b"a", b"b", flags=1, wrong=1)

RULES = [
    taken("a plain call", call()),
    taken("no checksum", call(checksum=0)),
    taken("CRC-32", call(checksum=1)),
    taken("empty arguments", call(2, b"", b"", b"")),
    taken("empty arguments, no checksum", call(2, b"", b"", b"", checksum=0)),
    taken("other flags are ignored", call(flags=0xFC)),
    taken("reserved bytes are ignored", call()[:3] + b"\x01" + call()[4:8] + b"12345678" + call()[16:]),
    taken("the largest number", call(0xFFFFFFFE)),
    taken("an unknown transport header", call(headers=(*AS_THRIFT, ("zz", "")))),
    taken("a key of 16 bytes", call(headers=(*AS_THRIFT, ("k" * 16, "v" * 255)))),
    taken("128 transport headers", call(headers=(*AS_THRIFT, *((f"k{i}", "") for i in range(126))))),
    taken("two calls in one read", call(2) + call(3), "CallReceived"),
    taken("a call in two frames", HALF + REST),
    taken("a last frame with one empty chunk",
          call(2, b"a", b"b", b"c", flags=1) + more(0x13, 2, b"", seed=summed(b"abc"))),
    taken("chunks of 0 and 1 bytes, arg1 in pieces", b"".join((
        call(2, b"", flags=1), more(0x13, 2, b"a", flags=1), more(0x13, 2, b"", flags=1, seed=summed(b"a")),
        more(0x13, 2, b"", b"", flags=1, seed=summed(b"a")), more(0x13, 2, b"", b"c", seed=summed(b"a")),
    ))),
    taken("two calls, their frames mixed", b"".join((
        HALF, call(3, b"a", b"b", flags=1), REST, more(0x13, 3, b"", b"c", seed=summed(b"a", b"b")),
    )), "CallReceived"),
    taken("a call between the frames of another", HALF + call(3) + REST, "CallReceived"),
    Rule("the number of a refused call may come again", call(2, service="") + call(2),
         ["CallReceived"], [(2, 6, "service")]),

    refused("checksum type 2", call(checksum=2), "checksum type 2"),
    refused("an unknown checksum type", call(checksum=9), "checksum type 9"),
    refused("a wrong CRC-32C", call(wrong=1), "wrong checksum"),
    refused("a wrong CRC-32", call(checksum=1, wrong=1), "wrong checksum"),
    refused("streaming", call(flags=2), "streaming"),
    refused("ttl 0", call(ttl=0), "ttl"),
    refused("no service", call(service=""), "service"),
    refused("a service that is no text", call(service=b"\xff\xfe"), "UTF-8"),
    refused("no as", call(headers=(("cn", "me"),)), "'as'"),
    refused("an empty as", call(headers=(("as", ""), ("cn", "me"))), "'as'"),
    refused("no cn", call(headers=(("as", "thrift"),)), "'cn'"),
    refused("a header that is no text", call(headers=b"\x02\x02as\x01\xff\x02cn\x02me"), "UTF-8"),
    refused("arg1 too long", call(2, b"x" * 16_385, b"\0\0", b"y"), "arg1"),
    Rule("arg1 just not too long", call(2, b"x" * 16_384, b"\0\0", b"y"), ["CallReceived"]),
    refused("arg1 too long in two frames", b"".join((
        call(2, b"x" * 16_000, flags=1), more(0x13, 2, b"x" * 385, flags=1, seed=summed(b"x" * 16_000)),
    )), "arg1"),
    refused("a wrong sum, the rest is ignored", WRONG_HALF + REST, "wrong checksum"),
    refused("a wrong sum in the second frame", HALF + more(0x13, 2, b"", b"c"), "wrong checksum"),
    refused("another checksum type in the second frame",
            HALF + more(0x13, 2, b"", b"c", checksum=1, seed=summed(b"ab", checksum=1)), "type changed"),
    Rule("others go on beside a refused one", WRONG_HALF + call(3) + REST, ["CallReceived"], [(2, 6, "wrong")]),

    fatal("a key twice", call(headers=(*AS_THRIFT, ("as", "raw"))), "twice"),
    fatal("an empty key", call(headers=(*AS_THRIFT, ("", "v"))), "key"),
    fatal("a key of 17 bytes", call(headers=(*AS_THRIFT, ("k" * 17, "v"))), "17 bytes"),
    fatal("129 transport headers", call(headers=(*AS_THRIFT, *((f"k{i}", "") for i in range(127)))), "129"),
    fatal("two arguments", call(2, b"a", b"b"), "2 arguments"),
    fatal("one argument", call(2, b"a"), "1 arguments"),
    fatal("four arguments", call(2, b"a", b"b", b"c", b"d"), "more than three"),
    fatal("four arguments over two frames",
          call(2, b"a", b"b", b"c", flags=1) + more(0x13, 2, b"", b"d", seed=summed(b"abc")), "more than three"),
    fatal("no chunk", frame(3, 2, call(2, b"")[16:-2]), "without a chunk"),
    fatal("a chunk beyond its frame", frame(3, 2, call(2, b"a", b"b", b"c")[16:-1]), "chunk"),
    fatal("a call cut short", frame(3, 2, call()[16:40]), "ends before"),
    fatal("headers cut short", frame(3, 2, call()[16:55]), "ends before"),
    fatal("number 0", call(0), "no number"),
    fatal("the number that means none", call(NOBODY), "no number"),
    fatal("a number twice", call(2) + call(2), "under way", ("CallReceived",)),
    fatal("a number twice, the first half here", HALF + call(2), "under way"),
    fatal("a further frame of nothing", REST, "no first one"),
    fatal("a further frame after the last", HALF + REST + REST, "no first one", ("CallReceived",)),
    Rule("a further frame after the rest of a refused one", WRONG_HALF + REST + REST, ["ConnectionClosed"],
         [(2, 6, "wrong"), (NOBODY, 0xFF, "no first one")], closes=True),
    fatal("a second init", init(), "after the handshake"),
    fatal("an init res", init(kind=2), "after the handshake"),
    fatal("an unknown frame type", frame(0x55, 2), "0x55"),
    fatal("a size below 16", frame(0xD0, 2, size=15), "15 bytes"),
    fatal("a size of 0", bytes(16), "0 bytes"),
    fatal("a ping with a payload", frame(0xD0, 2, b"x"), "payload"),
    fatal("a cancel cut short", frame(0xC0, 2, b"abc"), "ends before"),
    fatal("an error cut short", frame(0xFF, 2, b"abc"), "ends before"),
    fatal("an error with more than its text", frame(0xFF, 2, error(2, 6, "x")[16:] + b"y"), "text"),

    Rule("a cancel of nothing", cancel(77)),
    Rule("a cancel of a call that is done", call(2, service="") + cancel(2), [], [(2, 6, "service")]),
    taken("a cancel of a call under way", call() + cancel(2), "CancelReceived"),
    Rule("a cancel of half a call, the rest is ignored", HALF + cancel(2) + REST, [], [(2, 2, "cancelled")]),
    Rule("a claim", frame(0xC1, 2, bytes(29))),
    Rule("a malformed claim: nobody reads it", frame(0xC1, 2)),
    Rule("an answer to nothing", answer(77)),
    Rule("an answer to nothing in two frames",
         answer(77, b"", b"b", flags=1) + more(0x14, 77, b"", b"c", seed=summed(b"b"))),
    fatal("a further frame of an answer to nothing", more(0x14, 77, b"x"), "no first one"),
    Rule("an error for nothing", error(77, 5, "x")),
    Rule("an error with number 0", error(0, 6, "x")),
    Rule("a complaint about the connection", error(NOBODY, 6, "x")),
    Rule("a drain frame", error(NOBODY, 4, "draining: tea time"), ["DrainReceived"]),
    Rule("the peer's fatal error", error(NOBODY, 0xFF, "no more"), ["ConnectionClosed"], closes=True),
    Rule("nothing after the end", error(NOBODY, 0xFF, "no more") + call(), ["ConnectionClosed"], closes=True),
    Rule("half a frame", call()[:-1]),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("delivery", ["at once", "byte by byte"])
@pytest.mark.parametrize("warm", [False, True], ids=["first", "after a call like it"])
def test_rule(rule: Rule, delivery: str, warm: bool) -> None:
    """Warm: the opening is known, so that the fast path has its chance to do the wrong thing."""
    server = acceptor()
    if warm:
        server.receive(call(900) + call(901, checksum=1) + call(902, checksum=0), 0.0)
        for id in (900, 901, 902):
            server.respond(id, ok=True, arg2=b"", arg3=b"")
        server.data_to_send()
    events = []
    step = len(rule.data) if delivery == "at once" else 1
    for at in range(0, len(rule.data), step):
        events += server.receive(rule.data[at : at + step], 0.0)
    assert kinds(events) == rule.events
    said = errors(server.data_to_send())
    assert [(id, code) for id, code, _ in said] == [(id, code) for id, code, _ in rule.says]
    for (_, _, message), (_, _, part) in zip(said, rule.says, strict=True):
        assert part in message
    assert server.closing is rule.closes


def test_ping_is_answered_at_once_with_its_number() -> None:
    server = acceptor()
    assert kinds(server.receive(call() + frame(0xD0, 77), 0.0)) == ["CallReceived"]
    assert split(server.data_to_send()) == [(0xD1, 77, b"")]


@pytest.mark.parametrize("checksum", [0, 1, 3])
@pytest.mark.parametrize(("arg2", "arg3"), [(b"", b""), (b"\0\0", b"x"), (b"ab", b""), (b"long" * 9, b"body" * 99)])
@pytest.mark.parametrize("ok", [True, False])
def test_an_answer_is_in_kind(checksum: int, arg2: bytes, arg3: bytes, ok: bool) -> None:
    server = acceptor()
    server.receive(call(5, checksum=checksum, headers=(("as", "json"), ("cn", "me"), ("re", "n"))), 0.0)
    assert server.respond(5, ok=ok, arg2=arg2, arg3=arg3)
    wanted = answer(5, b"", arg2, arg3, code=int(not ok), headers=(("as", "json"),), checksum=checksum)
    assert server.data_to_send() == wanted


def test_an_answer_is_given_once() -> None:
    server = acceptor()
    server.receive(call(), 0.0)
    assert server.inbound_in_flight == 1
    assert server.respond(2, ok=True, arg2=b"", arg3=b"")
    assert not server.respond(2, ok=True, arg2=b"", arg3=b"")
    assert not server.respond_error(2, 5, "late")
    assert not server.respond_error(3, 5, "never was")
    assert server.inbound_in_flight == 0
    assert [kind for kind, _, _ in split(server.data_to_send())] == [4]


def test_a_cancelled_call_is_still_answered_by_its_owner() -> None:
    server = acceptor()
    received, cancelled = server.receive(call() + cancel(2, "bored"), 0.0)
    assert isinstance(received, CallReceived)
    assert cancelled == CancelReceived(2, "bored")
    assert server.respond_error(2, 2, "cancelled")
    assert server.data_to_send() == error(2, 2, "cancelled")


def test_drain_refuses_what_crosses_and_finishes_the_rest() -> None:
    server = acceptor()
    server.receive(call(2), 0.0)
    server.drain("restart", 0.0)
    server.drain("restart", 0.0)
    assert errors(server.data_to_send()) == [(NOBODY, 4, "draining: restart")]
    assert server.receive(call(3), 0.0) == []
    assert errors(server.data_to_send()) == [(3, 4, "draining: restart")]
    assert server.respond(2, ok=True, arg2=b"", arg3=b"")


def test_close_says_why_and_tells_which_handlers_run() -> None:
    server = acceptor()
    server.receive(call(2) + call(3), 0.0)
    (closed,) = server.close(0xFF, "enough")
    assert closed == ConnectionClosed("enough", 0xFF, (), (2, 3))
    assert errors(server.data_to_send()) == [(NOBODY, 0xFF, "enough")]
    assert server.close(0xFF, "again") == []
    assert server.receive(call(4), 0.0) == [] == server.receive_eof(0.0)
    assert not server.respond(2, ok=True, arg2=b"", arg3=b"")
    assert server.bytes_pending == 0


def test_error_texts_are_cut_at_a_whole_character() -> None:
    server = acceptor()
    server.receive(call(), 0.0)
    server.respond_error(2, 5, "ä" * 700 + "\udc80")
    ((_, _, message),) = errors(server.data_to_send())
    assert message == "ä" * 500


def test_busy_above_the_calls_that_may_be_under_way() -> None:
    server = acceptor(Limits(calls_inbound=2))
    assert kinds(server.receive(call(2) + call(3) + call(4), 0.0)) == ["CallReceived"] * 2
    assert errors(server.data_to_send()) == [(4, 3, "2 calls of this connection are under way; that is the limit")]
    server.respond(2, ok=True, arg2=b"", arg3=b"")
    assert kinds(server.receive(call(5), 0.0)) == ["CallReceived"]
    server.respond(3, ok=True, arg2=b"", arg3=b"")
    server.data_to_send()
    for half_counts in (call(6, b"a", b"b", flags=1), call(7, b"a", b"b", flags=1), call(8)):
        assert server.receive(half_counts, 0.0) == []
    assert [(id, code) for id, code, _ in errors(server.data_to_send())] == [(7, 3), (8, 3)]


def test_tracing_comes_back_in_answers_and_errors() -> None:
    server = acceptor()
    tracing = bytes(range(1, 26))
    server.receive(call(2, tracing=tracing) + call(3, tracing=tracing, service=""), 0.0)
    server.respond_error(2, 5, "x")
    assert [payload[1:26] for _, _, payload in split(server.data_to_send())] == [tracing, tracing]
    assert tracing != TRACING
