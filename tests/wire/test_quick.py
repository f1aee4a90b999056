"""The fast path and the general reader must not differ in anything but speed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.wire import Connection, Event, Limits
from tests.wire import test_client_rules, test_server_rules, test_vectors
from tests.wire.world import acceptor, answer, call, dialler, error, kinds, send


def general(connection: Connection) -> Connection:
    connection._quick.usable = False
    return connection


def state(connection: Connection) -> tuple[object, ...]:
    """All that a later frame could find out about the ones before, but for what only saves time."""
    inbound, outbound = connection._inbound, connection._outbound
    return (
        {id: (expires, tracing, opening.raw) for id, (expires, tracing, opening) in inbound.calls.items()},
        outbound.calls, set(inbound.halves.by_id), set(outbound.halves.by_id), inbound.over.until, outbound.over.until,
        connection.next_timer(), connection.closing, bytes(connection._rest),
    )  # fmt: skip


def read_both(make: Callable[[], Connection], reads: list[bytes]) -> list[Event]:
    quick, slow = make(), general(make())
    events: list[Event] = []
    for data in reads:
        one, other = quick.receive(data, 0.25), slow.receive(data, 0.25)
        assert one == other
        assert quick.data_to_send() == slow.data_to_send()
        assert state(quick) == state(slow)
        events += one
    return events


def warm_server() -> Connection:
    server = acceptor()
    server.receive(call(900) + call(901, checksum=1) + call(902, checksum=0) + call(903, service="other"), 0.0)
    for id in (900, 901, 902, 903):
        server.respond(id, ok=True, arg2=b"", arg3=b"")
    server.data_to_send()
    return server


def warm_client() -> Connection:
    """Calls 2, 3 and 4 wait; every opening of an answer was seen."""
    client = dialler(mesh=True)
    for _ in range(3):
        send(client)
    for checksum in (0, 1, 3):
        client.receive(answer(send(client), checksum=checksum), 0.0)
    client.data_to_send()
    return client


@pytest.mark.parametrize("rule", test_server_rules.RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("make", [acceptor, warm_server])
def test_on_every_rule_of_a_server(rule: test_server_rules.Rule, make: Callable[[], Connection]) -> None:
    read_both(make, [rule.data])
    read_both(make, [call(700), rule.data, call(701)])


@pytest.mark.parametrize("rule", test_client_rules.RULES, ids=lambda rule: rule.name)
def test_on_every_rule_of_a_client(rule: test_client_rules.Rule) -> None:
    read_both(warm_client, [rule.data])
    read_both(warm_client, [answer(4) + rule.data])


@pytest.mark.parametrize("data", test_vectors.CALLS.values())
def test_on_the_vectors(data: bytes) -> None:
    again = data[:4] + b"\0\0\0\4" + data[8:]
    assert kinds(read_both(acceptor, [data, again])) == ["CallReceived"] * 2


ARGS = st.sampled_from([b"", b"\0\0", b"\0\1", b"a", b"Echo::echo", b"x" * 300])
CALLS = st.builds(
    lambda id, args, checksum, options, headers: call(id, *args, checksum=checksum, headers=headers, **options),
    st.sampled_from([0, 1, 2, 3, 4, 0xFFFFFFFE, 0xFFFFFFFF]),
    st.lists(ARGS, min_size=2, max_size=4).filter(lambda args: len(args) != 2) | st.tuples(ARGS, ARGS, ARGS),
    st.sampled_from([0, 1, 3, 3, 3, 2]),
    st.sampled_from([{}, {}, {}, {"flags": 1}, {"flags": 2}, {"flags": 4}, {"ttl": 0}, {"wrong": 1}, {"service": ""},
                     {"service": "other"}]),
    st.sampled_from([(("as", "thrift"), ("cn", "me")), (("as", "json"), ("cn", "you"), ("sk", "1"))]),
)  # fmt: skip
ANSWERS = st.builds(
    lambda id, args, checksum, options: answer(id, *args, checksum=checksum, **options),
    st.sampled_from([2, 3, 4, 5]),
    st.tuples(st.sampled_from([b"", b"", b"x"]), ARGS, ARGS),
    st.sampled_from([0, 1, 3, 3, 3, 2]),
    st.sampled_from([{}, {}, {}, {"code": 9}, {"flags": 1}, {"wrong": 1}, {"tracing": bytes(25)}]),
)


def cut(data: bytes, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    at = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


@given(st.lists(CALLS | ANSWERS, min_size=1, max_size=6), st.integers(0, 1 << 30), st.booleans())
@example([call(2, b"a", b"\0\0", b""), call(3, b"a", b"\0\0", b"")], 0, False)
def test_on_any_mix_of_frames(frames: list[bytes], seed: int, client: bool) -> None:
    read_both(warm_client if client else warm_server, cut(b"".join(frames), seed))


@given(st.data())
def test_on_damaged_frames(data: st.DataObject) -> None:
    """A byte of a well-formed frame changed: where the two readers are most likely to part."""
    frame = bytearray(data.draw(CALLS | ANSWERS))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] = data.draw(st.integers(0, 255))
    for make in (warm_server, warm_client):
        read_both(make, [bytes(frame) + call(77) + answer(3)])


def test_an_arg1_that_looks_like_what_should_follow_it() -> None:
    """An answer's arg1 is empty everywhere, and the layout counts on it."""
    sly = bytes.fromhex("0002 0000 0010") + bytes(12)
    (event,) = read_both(warm_client, [answer(3, sly, b"", b"", checksum=0)])
    assert event.arg3 == b""  # type: ignore[union-attr]


def test_the_fast_path_is_taken() -> None:
    """Else all of the above would compare the general reader with itself."""
    server, client = warm_server(), warm_client()
    taken: list[Event] = []
    for frame in (call(5), call(6, b"m", b"\0\0", b""), call(7, checksum=0), call(8, service="other")):
        assert server._quick.read(frame, 0, len(frame), 0.0, taken) == len(frame)
    for frame in (
        answer(2),
        answer(3, b"", b"\0\0", b"x", checksum=1),
        answer(4, b"", b"bb", b"long enough", checksum=0),
    ):
        assert client._quick.read(frame, 0, len(frame), 0.0, taken) == len(frame)
    assert kinds(taken) == ["CallReceived"] * 4 + ["ResponseReceived"] * 3


def test_many_openings_do_not_pile_up() -> None:
    """A shard key in every call: each is a new opening, and one longer than is worth keeping comes in between."""
    server = acceptor()
    for number in range(500):
        headers = [("as", "thrift"), ("cn", "me"), ("sk", f"{number}")]
        headers += [(f"k{i}", "v" * 200) for i in range(number % 2 * 10)]
        for id in (2 * number + 1, 2 * number + 2):
            (event,) = server.receive(call(id, headers=tuple(headers)), 0.0)
            assert event.headers["sk"] == str(number)  # type: ignore[union-attr]
    known = server._inbound.openings._by_bytes
    assert len(known) <= 64
    assert max(map(len, known)) <= 1_024
    client = dialler()
    for number in range(500):
        send(client, headers={"as": "thrift", "cn": "me", "sk": f"{number}"})
    assert max(len(table) for table in client._outbound._ours) <= 64


def test_many_methods_do_not_pile_up() -> None:
    server = acceptor()
    for id in range(2, 600):
        (event,) = server.receive(call(id, f"Echo::m{id}".encode(), b"\0\0", b"x"), 0.0)
        assert event.arg1 == f"Echo::m{id}".encode()  # type: ignore[union-attr]
    opening = server._inbound.openings.last
    assert opening is not None
    assert len(opening.starts) <= 64


def test_limits_below_a_frame_leave_it_to_the_general_reader() -> None:
    server = acceptor(Limits(message_bytes=1_000))
    events = server.receive(call(2) + call(3) + error(9, 1, "x"), 0.0)
    assert kinds(events) == ["CallReceived"] * 2
    assert not server._quick.usable
