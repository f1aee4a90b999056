"""The handshake: who may say what, in which order, how long and how much."""

from __future__ import annotations

import pytest

from mesh.wire import CallRefused, Connection, ConnectionClosed, HandshakeDone, Identity, Limits, PeerInfo
from tests.wire.world import NOBODY, answer, call, error, errors, frame, init, kinds, send, split

ADDRESS = ("host_port", "127.0.0.1:7001")
NAME = ("process_name", "p")


def fresh(dialler: bool, limits: Limits | None = None) -> Connection:
    connection = Connection(dialler, Identity("10.0.0.1:1", "me", {"own": "header"}), limits or Limits())
    connection.start(100.0)
    return connection


def test_two_of_ours_know_each_other() -> None:
    client, server = fresh(True), fresh(False)
    assert server.data_to_send() == b"", "the acceptor speaks second"
    (at_server,) = server.receive(client.data_to_send(), 100.0)
    (at_client,) = client.receive(server.data_to_send(), 100.0)
    for event, connection in ((at_server, server), (at_client, client)):
        assert isinstance(event, HandshakeDone)
        assert event.peer is connection.peer
        assert event.peer.is_mesh
        assert event.peer.mesh_version
        assert event.peer.headers["own"] == "header"
        assert (event.peer.host_port, event.peer.process_name, event.peer.version) == ("10.0.0.1:1", "me", 2)
    assert client.data_to_send() == b""


REFUSED = {
    "no host_port": (init(headers=(NAME,)), "no host_port"),
    "no process_name": (init(headers=(ADDRESS,)), "no process_name"),
    "an empty host_port": (init(headers=(("host_port", ""), NAME)), "no host_port"),
    "no headers": (init(headers=()), "no host_port"),
    "a header twice": (init(headers=(ADDRESS, NAME, NAME)), "twice"),
    "too many headers": (init(headers=(ADDRESS, NAME, *((f"k{i}", "") for i in range(63)))), "65 init headers"),
    "too long": (init(headers=(ADDRESS, NAME, ("x", "y" * 4_096))), "limit is 4096"),
    "version 0": (init(version=0), "version 0"),
    "an init res": (init(kind=2), "must be an init req"),
    "a call": (call(), "must be an init req"),
    "an answer": (answer(), "must be an init req"),
    "a ping": (frame(0xD0, 1), "must be an init req"),
    "a claim": (frame(0xC1, 1, bytes(29)), "must be an init req"),
    "headers cut short": (frame(1, 1, init()[16:-1]), "longer than its frame"),
    "bytes after": (frame(1, 1, init()[16:] + b"x"), "after the last"),
    "no text": (frame(1, 1, init()[16:-1] + b"\xff"), "UTF-8"),
}


@pytest.mark.parametrize(("data", "part"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("step", [1, 10_000])
def test_an_acceptor_refuses(data: bytes, part: str, step: int) -> None:
    server = fresh(False)
    events = [event for at in range(0, len(data), step) for event in server.receive(data[at : at + step], 100.0)]
    (closed,) = events
    assert isinstance(closed, ConnectionClosed)
    assert part in closed.reason
    ((id, code, message),) = errors(server.data_to_send())
    assert (id, code) == (NOBODY, 0xFF)
    assert part in message


@pytest.mark.parametrize("version", [1, 2, 3, 65_535])
def test_an_acceptor_answers_two(version: int) -> None:
    server = fresh(False)
    (done,) = server.receive(init(version=version, id=77), 100.0)
    assert isinstance(done, HandshakeDone)
    assert done.peer.version == version
    ((kind, id, payload),) = split(server.data_to_send())
    assert (kind, id, payload[:2]) == (2, 77, b"\0\2")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (init(kind=2, version=1), "version 1"),
        (init(kind=2, version=3), "version 3"),
        (init(kind=2, headers=(NAME,)), "no host_port"),
        (init(), "must be an init res"),
        (call(), "must be an init res"),
        (error(NOBODY, 0xFF, "go away"), "refused the handshake: go away"),
        (error(1, 3, "too many"), "refused the handshake: too many"),
    ],
)
def test_a_dialler_gives_up_and_says_nothing_more(data: bytes, part: str) -> None:
    client = fresh(True)
    client.data_to_send()
    (closed,) = client.receive(data, 100.0)
    assert isinstance(closed, ConnectionClosed)
    assert part in closed.reason
    assert client.data_to_send() == b""


def test_no_call_before_it_is_over() -> None:
    client = fresh(True)
    client.data_to_send()
    with pytest.raises(CallRefused, match="handshake") as refused:
        send(client)
    assert not refused.value.permanent
    with pytest.raises(CallRefused, match="handshake"):
        client.ping(100.0)
    client.drain("early", 100.0)
    assert client.bytes_pending == 0
    assert kinds(client.receive(init(kind=2), 100.0)) == ["HandshakeDone"]
    assert errors(client.data_to_send()) == [(NOBODY, 4, "draining: early")], "said as soon as it may be"


def test_calls_that_come_with_the_init_are_taken() -> None:
    server = fresh(False)
    assert kinds(server.receive(init() + call() + call(3), 100.0)) == ["HandshakeDone", "CallReceived", "CallReceived"]


@pytest.mark.parametrize("dialler", [False, True])
def test_it_has_a_time(dialler: bool) -> None:
    connection = fresh(dialler, Limits(handshake_s=3.0))
    assert connection.next_timer() == 103.0
    assert connection.on_timer(102.9) == []
    (closed,) = connection.on_timer(103.0)
    assert isinstance(closed, ConnectionClosed)
    assert "within 3 s" in closed.reason
    assert connection.next_timer() is None
    assert connection.on_timer(200.0) == [] == connection.receive(init(), 200.0)


def test_its_time_ends_with_it() -> None:
    server = fresh(False, Limits(handshake_s=3.0, idle_s=50.0))
    server.receive(init(), 102.0)
    assert server.on_timer(103.0) == []
    assert not server.closing
    assert server.next_timer() == 152.0


def test_eof_in_the_midst_of_it() -> None:
    server = fresh(False)
    server.receive(init()[:20], 100.0)
    (closed,) = server.receive_eof(100.0)
    assert closed == ConnectionClosed("the peer closed the connection before the handshake was over", None, ())


@pytest.mark.parametrize(
    ("host_port", "ephemeral"),
    [
        ("127.0.0.1:7001", False),
        ("host:1", False),
        ("[::1]:7001", False),
        ("0.0.0.0:0", True),
        ("0.0.0.0:7001", True),
        ("10.0.0.1:0", True),
        ("10.0.0.1:00", True),
        ("[::]:7001", True),
        ("nonsense", True),
        (":7001", True),
        ("host:", True),
        ("host:x", True),
        ("host:-1", True),
        ("host:65536", True),
        ("host:²", True),
        ("host:99999999999999999999", True),
    ],
)
def test_who_listens_nowhere(host_port: str, ephemeral: bool) -> None:
    assert PeerInfo(host_port, "p", {}, 2).ephemeral is ephemeral


@pytest.mark.parametrize("host_port", ["0.0.0.0:0", "10.0.0.1:0"])
def test_an_acceptor_has_an_address(host_port: str) -> None:
    with pytest.raises(ValueError, match="where it listens"):
        Connection(False, Identity(host_port, "x"))
