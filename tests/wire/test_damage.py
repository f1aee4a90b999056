"""Bytes that were cut off or changed on their way: no exception, no hang, bounded memory, no wrong success.

What "no wrong success" can mean: a checksum covers the bytes of the arguments and nothing else. Number, ttl, service,
headers, flags and the lengths that part one argument from the next are not covered, so a changed frame may well be
taken with another of these. The arguments' bytes, one after the other, must then still be those that were sent; and
between mesh nodes, where the span id is checked too, they must be those of the call that gets them. The flag "more
frames follow" is not covered either: a message may end early, though only where one of its frames ends, and the codec
above then refuses what is not a whole struct.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from mesh.wire import CallReceived, Connection, Event, Identity, Limits, ResponseReceived
from tests.wire.world import (
    answer,
    call,
    cancel,
    dialler,
    error,
    frame,
    init,
    more,
    send,
    summed,
    transport,
)

LIMITS = Limits(message_bytes=200_000, assembling_bytes=400_000, assembling_messages=4, calls_inbound=8)
SPANS = {id: random.Random(id).randbytes(8) + bytes(16) + b"\1" for id in range(2, 8)}
BODIES = {id: b"body of %d " % id * 3 for id in SPANS}


def parts(id: int, answer_too: bool = False) -> list[bytes]:
    """A message in three frames."""
    write, kind = (answer, 0x14) if answer_too else (call, 0x13)
    body = BODIES[id]
    first = (b"" if answer_too else b"m", b"\0\0", body[:5])
    so_far = summed(*first)
    return [
        write(id, *first, flags=1, tracing=SPANS[id]),
        more(kind, id, body[5:9], flags=1, seed=so_far),
        more(kind, id, body[9:], seed=summed(*first, body[5:9])),
    ]


def whole_or_cut(data: bytes, id: int) -> bool:
    """Whether `data` is arg2 and arg3 of message `id`, or, of the one in three frames, the first of these frames."""
    body = b"\0\0" + BODIES[id]
    return data == body or (id == 5 and data in (body[:7], body[:11]))


HEADERS = (("as", "thrift"), ("cn", "me"), ("re", "n"))
OURS = (("host_port", "127.0.0.1:1"), ("process_name", "p"), ("thriftmesh", "1"))
TO_SERVER = [
    init(headers=OURS),
    call(2, b"m", b"\0\0", BODIES[2], headers=HEADERS),
    call(3, b"m", b"\0\0", BODIES[3], headers=HEADERS),
    call(4, b"m", b"\0\0", BODIES[4], checksum=1),
    *parts(5),
    cancel(3),
    frame(0xD0, 9),
    error(0xFFFFFFFF, 4, "draining: x"),
    call(6, b"m", b"\0\0", BODIES[6]),
    frame(0xC1, 2, bytes(29)),
]  # fmt: skip
TO_CLIENT = [
    init(kind=2, headers=OURS),
    answer(2, b"", b"\0\0", BODIES[2], tracing=SPANS[2]),
    answer(3, b"", b"\0\0", BODIES[3], tracing=SPANS[3], code=1),
    answer(4, b"", b"\0\0", BODIES[4], tracing=SPANS[4], checksum=1),
    *parts(5, answer_too=True),
    error(6, 3, "busy", tracing=SPANS[6]),
    frame(0xD1, 9),
    answer(7, b"", b"\0\0", BODIES[7], tracing=SPANS[7]),
]  # fmt: skip


def new_server() -> Connection:
    server = Connection(False, Identity("127.0.0.1:1", "s"), LIMITS)
    server.start(0.0)
    return server


def new_client() -> Connection:
    """With calls 2 to 7 under way."""
    client = dialler(LIMITS, mesh=True)
    block = transport((("as", "thrift"), ("cn", "me")))
    for id in SPANS:
        assert send(client, tracing=SPANS[id], headers=block, arg3=BODIES[id]) == id
    client.data_to_send()
    return client


def held(connection: Connection) -> int:
    return connection._inbound.halves._budget.bytes + len(connection._rest) + connection.bytes_pending


def feed(connection: Connection, data: bytes, cuts: list[int]) -> list[Event]:
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += connection.receive(data[start:end], 0.0)
        assert held(connection) <= LIMITS.assembling_bytes + 65_535 + 2 * len(data)
    return events


def check(connection: Connection, events: list[Event]) -> int:
    """How many messages were taken; each must be one of those that were sent."""
    taken = 0
    for event in events:
        if isinstance(event, CallReceived):
            entry = connection._inbound.calls.get(event.id)
            if entry is not None and entry[2].checksum == 0:
                continue  # the damage took the checksum away
            data = event.arg1 + event.arg2 + event.arg3
            assert data[:1] == b"m"
            assert any(whole_or_cut(data[1:], id) for id in BODIES), data
            taken += 1
        elif isinstance(event, ResponseReceived):
            assert whole_or_cut(event.arg2 + event.arg3, event.id), f"call {event.id} got another's answer"
            taken += 1
    return taken


def let_time_pass(connection: Connection) -> list[Event]:
    """Up to the end of everything that can end; a timer that never rests would hang here and is told instead."""
    events: list[Event] = []
    for _ in range(200):
        at = connection.next_timer()
        if at is None:
            break
        events += connection.on_timer(at)
    assert connection.closing, "a connection whose peer went silent ends"
    assert connection._inbound.halves.by_id == {} == connection._outbound.halves.by_id
    return events


SIDES = [
    pytest.param(new_server, TO_SERVER, id="server"),
    pytest.param(new_client, TO_CLIENT[1:], id="client"),
]


@pytest.mark.parametrize(("make", "frames"), SIDES)
def test_every_prefix(make: Callable[[], Connection], frames: list[bytes]) -> None:
    """What is not all here has not happened: the events of a prefix are a prefix of the events."""
    data = b"".join(frames)
    whole = make().receive(data, 0.0)
    assert check(make(), whole) >= 4
    happened = 0
    for end in range(len(data) + 1):
        connection = make()
        events = connection.receive(data[:end], 0.0)
        assert events == whole[: len(events)]
        assert len(events) >= happened
        happened = len(events)
        events += connection.receive_eof(0.0)
        assert connection.closing
        assert type(events[-1]).__name__ == "ConnectionClosed"
    assert happened == len(whole)


def damaged(rng: random.Random, frames: list[bytes]) -> bytes:
    frames = list(frames)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(frames))
        piece = bytearray(frames[at])
        where = rng.randrange(len(piece)) if piece else 0
        match rng.randrange(9):
            case 0 | 1 if piece:
                piece[where] ^= 1 << rng.randrange(8)
            case 2 if piece:
                piece[where] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 3:
                del piece[where : where + rng.randrange(1, 8)]
            case 4:
                piece[where:where] = rng.randbytes(rng.randrange(1, 8))
            case 5:
                piece[where : where + 4] = rng.randbytes(4)
            case 6:
                frames.insert(at, frames[rng.randrange(len(frames))])
                continue
            case 7:
                frames[at], frames[at - 1] = frames[at - 1], frames[at]
                continue
            case _:
                piece[where:] = rng.randbytes(rng.randrange(1, 80))
        frames[at] = bytes(piece)
    return b"".join(frames)


def run(make: Callable[[], Connection], frames: list[bytes], seed: int) -> tuple[int, bool]:
    """One case: how many messages were taken, and whether the connection outlived it."""
    rng = random.Random(seed)
    data = damaged(rng, frames)
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(3)))
    connection = make()
    try:
        taken = check(connection, feed(connection, data, cuts))
        survived = not connection.closing
        check(connection, let_time_pass(connection) if survived else [])
    except BaseException as problem:
        problem.add_note(f"seed {seed}, data {data.hex()}, cuts {cuts}")
        raise
    return taken, survived


@pytest.mark.parametrize(("make", "frames"), SIDES)
def test_damage(make: Callable[[], Connection], frames: list[bytes]) -> None:
    base = random.randrange(1 << 40)
    results = [run(make, frames, seed) for seed in range(base, base + 1_000)]
    assert any(survived for _, survived in results), "some damage is harmless"
    assert not all(survived for _, survived in results), "some is not"
    assert sum(taken for taken, _ in results) > 1_000, "most messages of most cases still come through"


@pytest.mark.soak
@pytest.mark.parametrize(("make", "frames"), SIDES)
def test_damage_soak(make: Callable[[], Connection], frames: list[bytes], soak_record: Callable[..., None]) -> None:
    count = int(os.environ.get("THRIFTMESH_SOAK_CASES", "100000")) // 2
    base = random.randrange(1 << 40)
    taken = survived = 0
    for seed in range(base, base + count):
        case = run(make, frames, seed)
        taken += case[0]
        survived += case[1]
    soak_record(cases=count, taken=taken, survived=survived, seed=base)
    assert taken > count


def test_noise() -> None:
    """Bytes without any sense, to every state, in reads of every size."""
    rng = random.Random(random.randrange(1 << 40))
    for make in (new_server, new_client):
        for _ in range(300):
            connection = make()
            feed(connection, rng.randbytes(rng.randrange(1, 300)), [])
            if not connection.closing:
                let_time_pass(connection)


def test_frames_that_say_they_are_long_hold_one_frame() -> None:
    server = new_server()
    server.receive(init(), 0.0)
    for _ in range(300):
        server.receive(b"\xff\xff\x03\0" + bytes(200), 0.0)
        assert len(server._rest) <= 65_535
