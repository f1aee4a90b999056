"""Damaged streams: whatever comes, nothing is raised, nothing grows, and nobody gets what is not his."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.wire import Limits
from mesh.wire.sniff import framed_thrift
from mesh.wire.thrift import Answered, ClientConnection, Closed, Requested, ServerConnection, application, varint
from tests.wire.thrift.bytes import EXCEPTION, ONEWAY, REPLY, call, error, frame, message, texts, theader
from tests.wire.world import init

LIMITS = Limits(message_bytes=64 * 1024, calls_inbound=50)
STREAM = (
    call("ping", 1, body=b"\x0b\0\1\0\0\0\3abc\0")
    + call("Echo:ping", 2)
    + frame(theader(message("ping", 3), texts({"k": "v", "client_timeout": "100"})))
    + frame(theader(message("ping", 4, body=b"\0" * 300), texts({"k": "w"}, info=2), transforms=(1,)))
    + call("forget", 5, ONEWAY)
    + frame(theader(message("ping", 6), flags=1, seqid=6))
)


def served(chunks) -> tuple[list, bytes]:
    """Everything that came of a stream, with every call answered, and every byte that was sent."""
    peer = ServerConnection(LIMITS)
    peer.start(0.0)
    seen, sent = [], b""
    for chunk in chunks:
        events = peer.receive(chunk, 0.0)
        while events:
            seen += events
            for event in events:
                if isinstance(event, Requested):
                    peer.respond(event.id, b"\0", {})
            sent += peer.data_to_send()
            events = peer.go_on(0.0)
        sent += peer.data_to_send()
        assert peer.under_way <= LIMITS.calls_inbound
        assert len(peer._frames._rest) <= LIMITS.message_bytes + len(chunk)
    return seen, sent


def told(events) -> list:
    return [(e.name, e.form, e.oneway, e.body, dict(e.texts)) if isinstance(e, Requested) else type(e) for e in events]


def frames_of(sent: bytes) -> int:
    count = 0
    while sent:
        (size,) = struct.unpack_from(">I", sent)
        assert len(sent) >= 4 + size, "half a frame was sent"
        sent = sent[4 + size :]
        count += 1
    return count


WHOLE, ANSWERS = served([STREAM])


def test_the_whole_stream():
    assert len(WHOLE) == 6
    assert frames_of(ANSWERS) == 5


def test_every_cut_gives_the_same():
    for cut in range(len(STREAM)):
        assert told(served([STREAM[:cut], STREAM[cut:]])[0]) == told(WHOLE)


def test_byte_by_byte_gives_the_same():
    events, sent = served(STREAM[at : at + 1] for at in range(len(STREAM)))
    assert told(events) == told(WHOLE)
    assert sent == ANSWERS


def test_every_prefix_gives_the_first_of_the_same():
    for cut in range(len(STREAM)):
        events = told(served([STREAM[:cut]])[0])
        assert events == told(WHOLE)[: len(events)]


@given(st.data())
def test_changed_bytes(data):
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    edges = [0, *cuts, len(stream)]
    events, sent = served(bytes(stream[a:b]) for a, b in itertools.pairwise(edges))
    frames_of(sent)
    assert all(isinstance(event, Requested) for event in events[:-1])


@given(st.binary(max_size=300))
def test_any_bytes(data):
    _, sent = served([data])
    frames_of(sent)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_theader(block, content):
    _, sent = served([frame(theader(content, block=block)), call("ping", 9)])
    frames_of(sent)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=20), st.binary(max_size=50))
def test_texts_there_and_back(values, body):
    client = ClientConnection("theader", LIMITS)
    sent = client.call("Echo", "ping", body, values, oneway=False)
    server = ServerConnection(LIMITS)
    [event] = server.receive(sent, 0.0)
    assert (event.texts, event.body) == (values, body)
    server.respond(event.id, body, values)
    answer = client.receive(server.data_to_send())
    assert isinstance(answer, Answered)
    assert (answer.texts, answer.body) == (values, body)


@given(st.data())
def test_a_damaged_answer_is_the_answer_or_the_end(data):
    answers = [
        call("ping", 1, REPLY, b"\x0b\0\0\0\0\0\3abc\0"),
        call("ping", 1, EXCEPTION, error(6, "no")),
        frame(theader(message("ping", 1, REPLY), texts({"k": "v"}), seqid=1)),
    ]
    stream = bytearray(data.draw(st.sampled_from(answers)))
    for _ in range(data.draw(st.integers(0, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    client = ClientConnection("theader", LIMITS)
    client.call("Echo", "ping", b"\0", {}, oneway=False)
    event = client.receive(bytes(stream))
    assert event is None or isinstance(event, Answered | Closed)
    if isinstance(event, Answered) and event.failed:
        application.read(event.body)


@given(st.integers(0, 2**32 - 1))
def test_numbers_there_and_back(value):
    data = varint.write(value)
    assert varint.read(data, 0, len(data)) == (value, len(data))
    with pytest.raises(ValueError, match="does not end"):
        varint.read(data[:-1], 0, len(data) - 1)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff\x10", b"\x80" * 5 + b"\1", b"\xff" * 9])
def test_numbers_have_32_bits(data):
    with pytest.raises(ValueError, match="more than 32 bits"):
        varint.read(data, 0, len(data))
    with pytest.raises(ValueError, match="32 bits"):
        varint.write(2**32)


@pytest.mark.parametrize("data", [call("ping", 1), frame(theader(message())), call("ping", body=bytes(0x3D0100 - 16))])
def test_framed_thrift_is_told_by_its_first_bytes(data):
    """A length of 3.8 MB looks like the start of a TChannel init: a few bytes more are needed."""
    told = [framed_thrift(data[:cut]) for cut in range(20)]
    assert None in told
    assert told[-1] is True
    assert False not in told


def test_an_init_is_never_taken_for_it():
    for ours in (init(), init(id=0x80010001), init(id=0x0FFF0001)):
        told = [framed_thrift(ours[:cut]) for cut in range(len(ours) + 1)]
        assert True not in told
        assert told[16] is False


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1", b"\x16\3\1\0\0\0\0", b"\0\0\0\x11\0\0\0\4ping", b"\x80\1\0\1\0\0"]
)
def test_strangers_are_for_the_other_side_to_refuse(first):
    assert framed_thrift(first) is False
