"""The worked bytes of the protocol's description: as frames, and through both roles of a connection."""

from __future__ import annotations

import pytest

from mesh.wire import (
    CallReceived,
    Checksum,
    Connection,
    ErrorReceived,
    HandshakeDone,
    Identity,
    ResponseReceived,
    frames,
)
from mesh.wire.checksum import FUNCTIONS
from tests.wire.world import acceptor, call, dialler, hexed, send, split

INIT = hexed("""
    0040 01 00 00000001 0000000000000000 0002 0002 0009 686f73745f706f7274 000e
    3132372e302e302e313a37303031 000c 70726f636573735f6e616d65 0001 70""")

CALL_HEAD = """{size} 03 00 00000003 0000000000000000 00 000003e8 0000000000000001 0000000000000000
    0000000000000001 00 03 737663 02 02 6173 06 746872696674 02 636e 02 6d65"""
CALL_ARGS = "000b 4563686f3a3a746f756368 0008 0001 0001 6b 0001 76 0009 0b 0001 00000001 6b 00"
CALLS = {
    Checksum.CRC32C: hexed(CALL_HEAD.format(size="006a") + "03 04a3d79c" + CALL_ARGS),
    Checksum.CRC32: hexed(CALL_HEAD.format(size="006a") + "01 d320cede" + CALL_ARGS),
    Checksum.NONE: hexed(CALL_HEAD.format(size="0066") + "00" + CALL_ARGS),
}
SPAN_ONE = hexed("0000000000000001 0000000000000000 0000000000000001 00")
ARGS = (b"Echo::touch", hexed("0001 0001 6b 0001 76"), hexed("0b 0001 00000001 6b 00"))

# Flags, sum and chunks of three fragments of ab, cdef, ghij.
FRAGMENTS = (
    (1, 0x53BCEFF1, (b"ab", b"cdef"), "0002 6162 0004 63646566"),
    (1, 0x2DDC99FC, (b"", b"ghi"), "0000 0003 676869"),
    (0, 0xE6599437, (b"j",), "0001 6a"),
)

ERROR = hexed("003a ff 00 00000003 0000000000000000 06") + SPAN_ONE + hexed("000e 6e6f2073756368206d6574686f64")


@pytest.mark.parametrize(("kind", "value"), [(Checksum.CRC32, 0xCBF43926), (Checksum.CRC32C, 0xE3069283)])
def test_check_values(kind: Checksum, value: int) -> None:
    function = FUNCTIONS[kind]
    assert function(b"123456789", 0) == value
    assert function(b"6789", function(b"12345", 0)) == value


def test_init_frame_both_ways() -> None:
    wanted = frames.Init(1, 2, {"host_port": "127.0.0.1:7001", "process_name": "p"}, answer=False)
    assert frames.parse(INIT) == wanted
    assert wanted.pack() == INIT


def test_init_frame_at_an_acceptor() -> None:
    server = Connection(False, Identity("10.0.0.1:7002", "server"))
    server.start(0.0)
    (done,) = server.receive(INIT, 0.0)
    assert isinstance(done, HandshakeDone)
    assert (done.peer.host_port, done.peer.process_name) == ("127.0.0.1:7001", "p")
    assert not done.peer.ephemeral
    assert not done.peer.is_mesh
    ((kind, id, payload),) = split(server.data_to_send())
    assert (kind, id, payload[:2]) == (0x02, 1, b"\x00\x02")
    for text in (b"10.0.0.1:7002", b"server", b"tchannel_language", b"python", b"tchannel_version", b"thriftmesh"):
        assert text in payload


@pytest.mark.parametrize("checksum", list(CALLS))
def test_call_frame_both_ways(checksum: Checksum) -> None:
    data = CALLS[checksum]
    parsed = frames.parse(data)
    assert isinstance(parsed, frames.CallRequest)
    assert (parsed.id, parsed.ttl_ms, parsed.service, parsed.checksum) == (3, 1000, b"svc", checksum)
    assert parsed.tracing == SPAN_ONE
    assert tuple(parsed.chunks) == ARGS
    assert parsed.pack() == data


@pytest.mark.parametrize("checksum", list(CALLS))
def test_call_at_a_server(checksum: Checksum) -> None:
    (event,) = acceptor().receive(CALLS[checksum], 0.0)
    assert event == CallReceived(3, 1000, SPAN_ONE, "svc", {"as": "thrift", "cn": "me"}, *ARGS)


@pytest.mark.parametrize("checksum", list(CALLS))
def test_call_from_a_client(checksum: Checksum) -> None:
    client = dialler()
    client.abandon(send(client), 0.0)  # number 2: the vector's is 3
    client.data_to_send()
    arg1, arg2, arg3 = ARGS
    options = {"tracing": SPAN_ONE, "arg1": arg1, "arg2": arg2, "arg3": arg3, "checksum": checksum}
    assert send(client, **options) == 3
    assert client.data_to_send() == CALLS[checksum]


@pytest.mark.parametrize(("flags", "sum", "chunks", "bytes_"), FRAGMENTS)
def test_fragment_frames(flags: int, sum: int, chunks: tuple[bytes, ...], bytes_: str) -> None:
    frame = frames.Continue(9, flags, 3, sum, list(chunks), answer=False)
    assert frame.pack()[16:] == bytes((flags, 3)) + sum.to_bytes(4) + hexed(bytes_)
    assert frames.parse(frame.pack()) == frame


def test_fragments_at_both_roles() -> None:
    """The vector's three frames as a call and as an answer, the first behind the head that each role needs."""
    first, *rest = FRAGMENTS
    head = call(2, *first[2], flags=first[0])
    assert first[1].to_bytes(4) + hexed(first[3]) in head, (
        "the hand-written first frame has the vector's sum and chunks"
    )
    server, client = acceptor(), dialler()
    assert server.receive(head, 0.0) == []
    send(client)
    as_answer = frames.CallResponse(2, 1, 0, bytes(25), b"\x01\x02as\x06thrift", 3, first[1], list(first[2]))
    assert client.receive(as_answer.pack(), 0.0) == []
    events = []
    for flags, sum, chunks, _ in rest:
        for connection, is_answer in ((server, False), (client, True)):
            frame = frames.Continue(2, flags, 3, sum, list(chunks), is_answer)
            events += connection.receive(frame.pack(), 0.0)
    received, answered = events
    assert isinstance(received, CallReceived)
    assert (received.arg1, received.arg2, received.arg3) == (b"ab", b"cdef", b"ghij")
    assert isinstance(answered, ResponseReceived)
    assert (answered.arg2, answered.arg3) == (b"cdef", b"ghij")


def test_error_frame_both_ways() -> None:
    wanted = frames.Error(3, 6, SPAN_ONE, "no such method")
    assert frames.parse(ERROR) == wanted
    assert wanted.pack() == ERROR


def test_error_from_a_server_and_at_a_client() -> None:
    server = acceptor()
    server.receive(CALLS[Checksum.CRC32C], 0.0)
    assert server.respond_error(3, 6, "no such method")
    assert server.data_to_send() == ERROR
    client = dialler()
    client.abandon(send(client), 0.0)
    send(client)
    assert client.receive(ERROR, 0.0) == [ErrorReceived(3, 6, "no such method", SPAN_ONE)]
