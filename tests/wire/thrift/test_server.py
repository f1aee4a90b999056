"""The serving side: what comes of bytes, in which order answers leave, and what time does."""

from __future__ import annotations

import tracemalloc

import pytest

from mesh.wire import Limits
from mesh.wire.thrift import ApplicationException, Closed, Expired, Requested, ServerConnection
from mesh.wire.thrift.application import Type
from mesh.wire.thrift.limits import IDLE_S, UNREAD_S
from tests.wire.thrift.bytes import EXCEPTION, ONEWAY, REPLY, call, error, frame, message, texts, theader, varint

OUT_OF_ORDER = 1


def server(limits: Limits | None = None) -> ServerConnection:
    made = ServerConnection(limits or Limits())
    made.start(0.0)
    return made


def requests(events) -> list[Requested]:
    assert all(isinstance(event, Requested) for event in events), events
    return events


def test_a_call_and_its_answer():
    peer = server()
    [event] = requests(peer.receive(call("ping", 7, body=b"\x0b\0\1\0\0\0\1x\0"), 0.0))
    assert (event.name, event.form, event.oneway, event.body) == ("ping", "framed", False, b"\x0b\0\1\0\0\0\1x\0")
    assert peer.respond(event.id, b"\0", {"not": "carried"}) is None
    assert peer.data_to_send() == call("ping", 7, REPLY)
    assert peer.under_way == 0


def test_a_multiplexed_call_is_answered_by_its_bare_name():
    peer = server()
    [event] = requests(peer.receive(call("Echo:ping", -3), 0.0))
    assert (event.name, event.form) == ("Echo:ping", "multiplexed")
    peer.fail(event.id, ApplicationException(6, "no"))
    assert peer.data_to_send() == call("ping", -3, EXCEPTION, error(6, "no"))


@pytest.mark.parametrize("seqid", [0, 1, -1, 2**31 - 1, -(2**31)])
def test_the_seqid_is_echoed(seqid):
    peer = server()
    [event] = peer.receive(frame(theader(message("ping", seqid), seqid=5)), 0.0)
    peer.respond(event.id, b"\0", {})
    assert peer.data_to_send() == frame(theader(message("ping", seqid, REPLY), seqid=5))


def test_theader_brings_texts_and_takes_them_back():
    peer = server()
    [event] = peer.receive(frame(theader(message(), texts({"a": "1", "ü": ""}))), 0.0)
    assert (event.form, event.texts) == ("theader", {"a": "1", "ü": ""})
    peer.respond(event.id, b"\0", {"b": "2"})
    assert peer.data_to_send() == frame(theader(message(kind=REPLY), texts({"b": "2"})))


def test_lasting_texts_stay_for_the_connection_and_give_way_to_the_calls_own():
    peer = server()
    peer.receive(frame(theader(message(), texts({"a": "1", "b": "1"}, info=2))), 0.0)
    [event] = peer.receive(frame(theader(message(), texts({"b": "2"}))), 0.0)
    assert event.texts == {"a": "1", "b": "2"}
    [plain] = peer.receive(call(), 0.0)
    assert plain.texts == {}


def test_answers_leave_in_the_order_of_the_requests():
    peer = server()
    events = peer.receive(b"".join(call("ping", number) for number in range(5)), 0.0)
    for event in events[1:]:
        peer.respond(event.id, b"\0", {})
        assert peer.data_to_send() == b""
    assert peer.held_bytes == 4 * len(call())
    peer.respond(events[0].id, b"\0", {})
    assert peer.data_to_send() == b"".join(call("ping", number, REPLY) for number in range(5))
    assert (peer.held_bytes, peer.under_way) == (0, 0)


def test_who_finds_answers_by_seqid_gets_them_as_they_come():
    peer = server()
    events = []
    for number in range(3):
        content = theader(message("ping", number), flags=OUT_OF_ORDER, seqid=number)
        events += peer.receive(frame(content), 0.0)
    plain = peer.receive(call("ping", 9), 0.0)[0]
    for event in reversed(events):
        peer.respond(event.id, b"\0", {})
    sent = [frame(theader(message("ping", n, REPLY), flags=OUT_OF_ORDER, seqid=n)) for n in (2, 1, 0)]
    assert peer.data_to_send() == b"".join(sent)
    peer.respond(plain.id, b"\0", {})
    assert peer.data_to_send() == call("ping", 9, REPLY)


@pytest.mark.parametrize("by_contract", [True, False])
def test_a_oneway_call_is_never_answered_and_holds_up_nobody(by_contract):
    peer = server()
    [oneway] = peer.receive(call("forget", kind=1 if by_contract else ONEWAY), 0.0)
    if by_contract:
        peer.answers_nothing(oneway.id)
    [after] = peer.receive(call("ping"), 0.0)
    peer.respond(after.id, b"\0", {})
    assert peer.data_to_send() == call("ping", kind=REPLY)
    assert peer.under_way == 1
    assert peer.fail(oneway.id, ApplicationException(6, "nobody hears this")) is False
    assert (peer.data_to_send(), peer.under_way) == (b"", 0)


@pytest.mark.parametrize("kind", [0, REPLY, EXCEPTION, 5, 255])
def test_other_types_than_calls_are_told_so(kind):
    peer = server()
    assert peer.receive(call("ping", 7, kind) + call("ping", 8), 0.0)[0].name == "ping"
    answer = peer.data_to_send()
    assert answer[4:].startswith(message("ping", 7, EXCEPTION, b""))
    assert b"\x08\0\2\0\0\0\x02" in answer
    assert not peer.closing


WRONG_HEADERS = {
    "compact inside": (theader(message(), protocol=2), Type.INVALID_PROTOCOL),
    "an unknown transform": (theader(message(), transforms=(3,)), Type.INVALID_TRANSFORM),
    "packed twice": (theader(message(), transforms=(1, 1)), Type.INVALID_TRANSFORM),
    "no zlib": (theader(message(), block=b"\0\1\1"), Type.INVALID_TRANSFORM),
    "half a zlib": (theader(message() * 9, transforms=(1,))[:-5], Type.INVALID_TRANSFORM),
    "zlib and more": (theader(message(), transforms=(1,)) + b"x", Type.INVALID_TRANSFORM),
    "a header longer than the frame": (theader(b"")[:8] + b"\xff\xff" + message(), Type.PROTOCOL_ERROR),
    "a frame that ends within its header": (b"\x0f\xff\0\0\0\0\0\7\0\1\0\0", Type.PROTOCOL_ERROR),
    "a header too large": (theader(message(), block=bytes(20_000)), Type.PROTOCOL_ERROR),
    "a number without an end": (theader(message(), block=b"\xff" * 8), Type.PROTOCOL_ERROR),
    "a number of 40 bits": (theader(message(), block=b"\0\0\1\x80\x80\x80\x80\x80\1"), Type.PROTOCOL_ERROR),
    "a number of 33 bits": (theader(message(), block=b"\0\0\1\xff\xff\xff\xff\x1f"), Type.PROTOCOL_ERROR),
    "headers that are not there": (theader(message(), b"\1\5\1a"), Type.PROTOCOL_ERROR),
    "129 headers": (theader(message(), texts({str(n): "" for n in range(129)})), Type.PROTOCOL_ERROR),
    "the same header 129 times": (theader(message(), b"\1" + varint(129) + b"\1a\1b" * 129), Type.PROTOCOL_ERROR),
    "4 thousand million headers": (theader(message(), b"\1\xff\xff\xff\xff\x0f"), Type.PROTOCOL_ERROR),
    "a text of 4 GB": (theader(message(), b"\1\1\xff\xff\xff\xff\x0f"), Type.PROTOCOL_ERROR),
    "no UTF-8": (theader(message(), b"\1\1\1\xff\1a"), Type.PROTOCOL_ERROR),
    "no message": (theader(b"\0\0\0\0"), Type.PROTOCOL_ERROR),
    "an old message": (theader(b"\0\0\0\4ping\1\0\0\0\0\0"), Type.PROTOCOL_ERROR),
}


@pytest.mark.parametrize(("content", "kind"), WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_a_wrong_theader_costs_its_message_and_not_the_connection(content, kind):
    peer = server()
    assert peer.receive(frame(content), 0.0) == []
    answer = peer.data_to_send()
    assert answer[4:] == theader(answer[4 + 14 :], seqid=7)
    assert answer[4 + 14 :].startswith(message(b"", 7, EXCEPTION, b""))
    assert b"\x08\0\2" + int(kind).to_bytes(4) + b"\0" == answer[-8:]
    assert len(peer.receive(call(), 0.0)) == 1


def test_too_many_lasting_texts_are_refused_and_forgotten():
    limits = Limits(headers=3)
    peer = server(limits)
    assert peer.receive(frame(theader(message(), texts({"a": "", "b": ""}, info=2))), 0.0)
    assert peer.receive(frame(theader(message(), texts({"c": "", "d": ""}, info=2))), 0.0) == []
    [event] = peer.receive(frame(theader(message(), texts({"e": ""}))), 0.0)
    assert set(event.texts) == {"a", "b", "e"}


def test_zlib_is_undone_up_to_the_limit_and_a_bomb_is_not():
    limits = Limits(message_bytes=100_000)
    peer = server(limits)
    [event] = peer.receive(frame(theader(message(body=b"\0" * 90_000), transforms=(1,))), 0.0)
    assert len(event.body) == 90_000
    peer.respond(event.id, b"\0", {})
    assert b"ping" in peer.data_to_send()  # not packed
    bomb = frame(theader(message(body=b"\0" * 50_000_000), transforms=(1,)))
    tracemalloc.start()
    assert peer.receive(bomb, 0.0) == []
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert b"more than 100000 bytes unpacked" in peer.data_to_send()


ENDS = {
    "no bytes at all": (b"\0\0\0\0\x80\1", "says it has 0 bytes"),
    "eleven bytes": (b"\0\0\0\x0b\x80\1", "says it has 11 bytes"),
    "a huge length": (b"\x7f\xff\xff\xff\x80\1", "2147483647 bytes; the limit is"),
    "a negative length": (b"\xff\xff\xff\xff\x80\1", "4294967295 bytes; the limit is"),
    "an old frame": (b"\0\0\0\x11\0\0\0\4ping", "binary without version"),
    "compact": (b"\0\0\0\x11\x82\x21\0\0\0\0\0\0", "compact, framed"),
    "an init of TChannel": (bytes.fromhex("003a0100000000010000000000000000"), "something else"),
    "HTTP": (b"GET / HTTP/1.1\r\n", "HTTP/1"),
    "a negative name": (frame(b"\x80\1\0\1\xff\xff\xff\xffping\0\0\0\7\0"), "a method's name of -1 bytes"),
    "a long name": (call("n" * 513), "name of 513 bytes"),
    "a name that is not there": (frame(b"\x80\1\0\1\0\0\0\x40ping\0\0\0\7\0"), "within its envelope"),
}


@pytest.mark.parametrize(("data", "reason"), ENDS.values(), ids=ENDS)
def test_what_breaks_the_framing_ends_the_connection(data, reason):
    peer = server()
    events = peer.receive(call() + data, 0.0)
    assert isinstance(events[0], Requested)
    assert isinstance(events[1], Closed)
    assert reason in events[1].reason
    assert peer.receive(call(), 0.0) == []


def test_nothing_of_a_frame_that_is_too_long_is_kept():
    peer = server(Limits(message_bytes=1000))
    assert isinstance(peer.receive(b"\0\0\x03\xe9\x80\1", 0.0)[0], Closed)


def test_an_answer_above_the_limit_becomes_an_error():
    peer = server(Limits(message_bytes=1000))
    [event] = peer.receive(call(), 0.0)
    assert "the limit is 1000" in (peer.respond(event.id, bytes(1000), {}) or "")
    assert b"\x08\0\2\0\0\0\x06" in peer.data_to_send()


def test_headers_that_cannot_be_sent_become_an_error():
    peer = server()
    [event] = peer.receive(frame(theader(message())), 0.0)
    assert "headers" in (peer.respond(event.id, b"\0", {"k": "v" * 20_000}) or "")
    assert b"\x08\0\2\0\0\0\x06" in peer.data_to_send()


def test_when_too_much_is_under_way_the_rest_waits_and_is_not_lost():
    peer = server(Limits(calls_inbound=10))
    data = b"".join(call("ping", number) for number in range(25))
    events = requests(peer.receive(data, 0.0))
    assert len(events) == 10
    assert peer.stalled
    assert peer.cut_short
    seen = []
    while events:
        for event in events:
            peer.respond(event.id, b"\0", {})
        seen += events
        events = requests(peer.go_on(0.0))
    assert len(seen) == 25
    assert peer.data_to_send() == b"".join(call("ping", number, REPLY) for number in range(25))


def test_the_time_of_a_call_runs_out_and_a_later_answer_is_dropped():
    peer = server()
    first, second = peer.receive(call("slow", 1) + call("ping", 2), 0.0)
    peer.expect_by(first.id, 5.0)
    peer.expect_by(second.id, 9.0)
    peer.respond(second.id, b"\0", {})
    assert peer.next_timer() == 5.0
    assert peer.on_timer(4.9) == []
    [event] = peer.on_timer(5.0)
    assert isinstance(event, Expired)
    assert event.id == first.id
    sent = peer.data_to_send()
    assert sent.endswith(call("ping", 2, REPLY))
    assert b"timeout" in sent
    peer.respond(first.id, b"\0", {})
    assert (peer.data_to_send(), peer.under_way) == (b"", 0)


def test_a_frame_has_its_time():
    peer = server()
    data = call()
    assert peer.receive(data[:9], 0.0) == []
    assert peer.receive(data[9:12], 100.0) == []  # bytes that trickle in buy no more of it
    assert peer.on_timer(119.0) == []
    [closed] = peer.on_timer(120.0)
    assert "not all here within 120 s" in closed.reason


def test_a_silent_connection_ends_late_and_a_busy_one_does_not():
    peer = server()
    [event] = peer.receive(call(), 10.0)
    peer.expect_by(event.id, 1e9)
    assert peer.on_timer(IDLE_S + 10.0) == []
    peer.respond(event.id, b"\0", {})
    assert peer.on_timer(IDLE_S + 20.0) == []
    [closed] = peer.on_timer(2 * IDLE_S + 30.0)
    assert "nobody has called" in closed.reason


def test_who_leaves_answers_unread_is_given_up():
    peer = server()
    peer.unread(True, 5.0)
    assert peer.on_timer(UNREAD_S) == []
    peer.unread(False, UNREAD_S)
    assert peer.on_timer(UNREAD_S + 6) == []
    peer.unread(True, 200.0)
    [closed] = peer.on_timer(200.0 + UNREAD_S)
    assert "unread" in closed.reason


def test_draining_ends_with_the_last_answer():
    peer = server()
    [event] = peer.receive(call(), 0.0)
    peer.drain()
    assert not peer.drained
    peer.respond(event.id, b"\0", {})
    assert peer.drained


def test_a_farewell_goes_with_every_answer_in_theader():
    peer = server(Limits(headers=2))
    events = peer.receive(frame(theader(message())) * 2 + call(), 0.0)
    peer.drain({"bye": "now"})
    peer.respond(events[0].id, b"\0", {"a": "1"})
    assert peer.data_to_send() == frame(theader(message(kind=REPLY), texts({"a": "1", "bye": "now"})))
    peer.respond(events[1].id, b"\0", {"a": "1", "b": "2"})  # no room for it: the answer comes first
    assert peer.data_to_send() == frame(theader(message(kind=REPLY), texts({"a": "1", "b": "2"})))
    peer.respond(events[2].id, b"\0", {})
    assert peer.data_to_send() == call(kind=REPLY)


def test_an_end_within_a_frame_is_told():
    peer = server()
    peer.receive(call()[:7], 0.0)
    [closed] = peer.receive_eof()
    assert "within a frame" in closed.reason
    assert peer.receive_eof() == []
