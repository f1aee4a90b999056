"""Other protocols' first bytes, as their clients send them, and how soon they are told."""

from __future__ import annotations

import pytest

from mesh.wire import Connection, ConnectionClosed, Identity
from mesh.wire.sniff import what_is
from tests.wire.world import call, error, frame, hexed, init

FOREIGN = {
    # name: (what it is called, its bytes, after how many it must be known)
    "TLS": ("TLS", hexed("16 03 01 00 f4 01 00 00 f0 03 03"), 1),
    "GET": ("HTTP/1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "POST": ("HTTP/1", b"POST /rpc HTTP/1.1\r\n\r\n", 2),
    "PUT": ("HTTP/1", b"PUT /x HTTP/1.1\r\n\r\n", 2),
    "PRI": ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4),
    "an answer": ("HTTP/1", b"HTTP/1.1 400 Bad Request\r\n", 1),
    "strict": ("Thrift (binary, unframed)", hexed("80 01 00 01 00000004 70696e67 00000000 00"), 2),
    "strict oneway": ("Thrift (binary, unframed)", hexed("80 01 00 04 00000004 70696e67 00000000 00"), 2),
    "compact": ("Thrift (compact, unframed)", hexed("82 21 00 00 61 00"), 2),
    "compact oneway": ("Thrift (compact, unframed)", hexed("82 81 00 00 61 00"), 2),
    "JSON": ("Thrift (Apache JSON, unframed)", b'[1,"ping",1,0,{}]', 1),
    "framed strict": ("Thrift (binary, framed)", hexed("00000011 80 01 00 01 00000004 70696e67 00000000 00"), 6),
    "framed strict like a size": ("Thrift (binary, framed)", hexed("00400100 80 01 00 01 00000004 70696e67 00"), 12),
    "framed compact": ("Thrift (compact, framed)", hexed("00000006 82 21 00 00 61 00"), 6),
    "framed JSON": ("Thrift (Apache JSON, framed)", b'\0\0\0\x11[1,"ping",1,0,{}]', 5),
    "THeader": ("THeader", hexed("00000028 0fff 0000 00000001 0002 00 00 0000"), 6),
    "framed old": ("Thrift (binary without version, framed)", hexed("00000011 00000004 70696e67 01 00000000 00"), 6),
    "framed old like an init":
        ("Thrift (binary without version, framed)", hexed("003a0100 00000004 70696e67 01 00000000 00"), 9),
    "unframed old": ("Thrift (binary without version, unframed)", hexed("00000004 70696e67 01 00000000 00"), 6),
    "thriftpy2 JSON": ("Thrift (thriftpy2's JSON, unframed)", b'\0\0\0\x40{"metadata": {"name": "ping"}}', 5),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "after"), FOREIGN.values(), ids=FOREIGN)
def test_every_foreign_protocol_is_told_as_early_as_can_be(name: str, data: bytes, after: int) -> None:
    assert what_is(data) == name
    for cut in range(len(data)):
        assert what_is(data[:cut]) == (name if cut >= after else None), f"after {cut} bytes"


OURS = {
    "the smallest": init(headers=(("host_port", "0.0.0.0:0"), ("process_name", "p"))),
    "another": init(id=0x80010001),
    "a large one": init(headers=(("host_port", "0.0.0.0:0"), ("process_name", "p" * 3_900))),
    "an answer": init(kind=2),
    "a refusal": error(0xFFFFFFFF, 0xFF, "no"),
    "a call too early": call(),
    "a ping too early": frame(0xD0, 1),
}


@pytest.mark.parametrize("data", OURS.values(), ids=OURS)
def test_tchannel_is_never_taken_for_another(data: bytes) -> None:
    for cut in range(len(data) + 1):
        assert what_is(data[:cut]) is None


@pytest.mark.parametrize("dialler", [False, True])
@pytest.mark.parametrize("step", [1, 100])
@pytest.mark.parametrize(("name", "data", "after"), FOREIGN.values(), ids=FOREIGN)
def test_a_connection_says_what_it_met_and_answers_nothing(
    dialler: bool, step: int, name: str, data: bytes, after: int
) -> None:
    connection = Connection(dialler, Identity("127.0.0.1:7001", "x"))
    connection.start(0.0)
    connection.data_to_send()
    events = [event for at in range(0, len(data), step) for event in connection.receive(data[at : at + step], 0.0)]
    (closed,) = events
    assert isinstance(closed, ConnectionClosed)
    assert f"the peer speaks {name}; " in closed.reason
    assert closed.code is None
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("data", [b"\xff" * 20, bytes(20), b"\x00\x05\x03\x00\xff" + bytes(20), b"hello world hello"])
def test_what_nobody_knows_is_closed_without_an_answer(data: bytes) -> None:
    connection = Connection(False, Identity("127.0.0.1:7001", "x"))
    connection.start(0.0)
    (closed,) = connection.receive(data, 0.0)
    assert isinstance(closed, ConnectionClosed)
    assert "no protocol that is known here" in closed.reason
    assert data[:8].hex(" ") in closed.reason
    assert connection.data_to_send() == b""
