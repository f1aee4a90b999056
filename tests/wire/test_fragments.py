"""Fragmentation at every boundary, both ways: against a reader and a writer that are written out here."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.wire import CallReceived, Checksum, Connection, Limits, ResponseReceived, ResponseTooLarge
from tests.wire.world import SUMS, acceptor, call, dialler, errors, kinds, more, send, split

FULL = 65_535
LEAD = 16 + 1 + 4 + 25 + 4 + 17 + 1 + 4  # of `send()`'s call, up to the first chunk, with a checksum
ANSWER_LEAD = 16 + 1 + 1 + 25 + 11 + 1 + 4


def reference_read(data: bytes, lead: int) -> tuple[list[bytes], list[int]]:
    """The arguments in whole frames, by the rules, and each frame's size. Asserts every checksum.

    `lead` counts the bytes up to the first chunk of a frame with a checksum.
    """
    args, sizes, sum = [b""], [], 0
    frames = split(data)
    for index, (_, _, payload) in enumerate(frames):
        sizes.append(16 + len(payload))
        at = lead - 16 - 5 if index == 0 else 1  # the checksum type
        kind = payload[at]
        at += 1
        if kind:
            (given,) = struct.unpack_from(">I", payload, at)
            at += 4
        first = True
        while at < len(payload):
            at_start = first
            (length,) = struct.unpack_from(">H", payload, at)
            chunk = payload[at + 2 : at + 2 + length]
            assert len(chunk) == length
            sum = SUMS[kind](chunk, sum)
            args[-1:] = [args[-1] + chunk] if first else [args[-1], chunk]
            first = False
            at += 2 + length
        assert not kind or sum == given
        opened_for_nothing = length == 0 and not at_start
        assert not (payload[0] & 1 and opened_for_nothing), "an argument opened with nothing at a frame's end"
        assert bool(payload[0] & 1) == (index + 1 < len(frames))
    return args, sizes


def pieces(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


# What is left of the first frame when arg1 is `a`, for arg2's bytes: two chunk heads stand before them.
ROOM = FULL - LEAD - 3 - 2
NEAR = (-6, -5, -4, -3, -2, -1, 0, 1, 2, 3)
NEXT = FULL - 16 - 6  # what a further frame has for chunks

SIZES = [
    *((1, ROOM + near, size3) for near in NEAR for size3 in (0, 1, 70_000)),
    *((1, size2, ROOM - size2 - 2 + near) for near in NEAR for size2 in (0, 1, 1000)),
    *((1, ROOM + NEXT - 2 + near, size3) for near in NEAR for size3 in (0, 1)),
    *((1, 0, ROOM - 2 + NEXT - 2 + near) for near in NEAR),
    *((16_384, size2, size3) for size2 in (0, 48_000, 49_000) for size3 in (0, 200_000)),
    *((0, size2, size3) for size2 in (0, 65_535, 65_536) for size3 in (0, 65_535, 65_536)),
]


@pytest.mark.parametrize("checksum", [Checksum.CRC32C, Checksum.NONE])
@pytest.mark.parametrize(("size1", "size2", "size3"), SIZES)
def test_a_call_of_any_size(size1: int, size2: int, size3: int, checksum: Checksum) -> None:
    args = [pieces(size1, 1), pieces(size2, 2), pieces(size3, 3)]
    client, server = dialler(), acceptor()
    send(client, arg1=args[0], arg2=args[1], arg3=args[2], checksum=checksum)
    data = client.data_to_send()
    read, sizes = reference_read(data, LEAD)
    assert read == args
    assert all(size > FULL - 3 for size in sizes[:-1]), "no frame is left emptier than it must be"
    (event,) = server.receive(data, 0.0)
    assert isinstance(event, CallReceived)
    assert [event.arg1, event.arg2, event.arg3] == args


@pytest.mark.parametrize("size2", [0, 2, 60_000])
@pytest.mark.parametrize("near", NEAR)
def test_an_answer_of_any_size(size2: int, near: int) -> None:
    args = [b"", pieces(size2, 2), pieces(FULL - ANSWER_LEAD - 6 - size2 + near, 3)]
    client, server = dialler(), acceptor()
    send(client)
    server.receive(client.data_to_send(), 0.0)
    assert server.respond(2, ok=False, arg2=args[1], arg3=args[2])
    data = server.data_to_send()
    assert len(split(data)) == (1 if near <= 0 else 2)
    read, _ = reference_read(data, ANSWER_LEAD)
    assert read == args
    (event,) = client.receive(data, 0.0)
    assert isinstance(event, ResponseReceived)
    assert ([event.arg2, event.arg3], event.ok) == (args[1:], False)


def test_a_megabyte_byte_by_byte_and_in_odd_reads() -> None:
    client = dialler()
    args = {"arg1": b"m", "arg2": pieces(70_000, 1), "arg3": pieces(200_000, 2)}
    send(client, **args)
    data = client.data_to_send()
    for step in (1, 7, 4_096, 65_536, 65_551):
        server = acceptor()
        events = [event for at in range(0, len(data), step) for event in server.receive(data[at : at + step], 0.0)]
        (event,) = events
        assert isinstance(event, CallReceived)
        assert (event.arg1, event.arg2, event.arg3) == tuple(args.values())


def reference_write(id: int, args: tuple[bytes, bytes, bytes], cuts: list[int]) -> bytes:
    """The arguments as a legal writer might cut them: a new frame whenever that many chunk bytes are in one.

    0 in `cuts` stands for an empty chunk where an argument goes on. The first frame has the head of `call()`.
    """
    frames: list[list[bytes]] = [[b""]]
    turns = itertools.cycle(cuts)
    left = next(turns)
    for index, arg in enumerate(args):
        if index:
            frames[-1].append(b"")
        at = 0
        while at < len(arg) or left == 0:
            if left == 0:
                frames.append([b""])
                left = next(turns)
                if len(frames) > 400:
                    left = len(arg)
                continue
            take = arg[at : at + left]
            frames[-1][-1] += take
            at += len(take)
            left -= len(take)
    out, seed = b"", 0
    for number, chunks in enumerate(frames):
        flags = int(number + 1 < len(frames))
        if number == 0:
            out += call(id, *chunks, flags=flags)
        else:
            out += more(0x13, id, *chunks, flags=flags, seed=seed)
        for chunk in chunks:
            seed = SUMS[3](chunk, seed)
    return out


@given(
    st.tuples(st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=12)),
    st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any),
    st.integers(1, 40),
)
def test_a_reader_takes_every_legal_cut(args: tuple[bytes, bytes, bytes], cuts: list[int], step: int) -> None:
    data = reference_write(2, args, cuts)
    server = acceptor()
    events = [event for at in range(0, len(data), step) for event in server.receive(data[at : at + step], 0.0)]
    (event,) = events
    assert isinstance(event, CallReceived)
    assert (event.arg1, event.arg2, event.arg3) == args


def test_a_call_above_the_limit_is_refused_once_and_its_rest_ignored() -> None:
    server = acceptor(Limits(message_bytes=100_000))
    client = dialler()
    send(client, arg3=bytes(300_000))
    send(client)
    assert [type(event) for event in server.receive(client.data_to_send(), 0.0)] == [CallReceived]
    assert errors(server.data_to_send()) == [(2, 6, "the message is longer than 100000 bytes")]
    assert server._inbound.halves.by_id == {}


def test_a_plain_call_above_a_small_limit() -> None:
    server = acceptor(Limits(message_bytes=50))
    assert server.receive(call(2, b"a", b"", b"x" * 50), 0.0) == []
    assert kinds(server.receive(call(3, b"a", b"", b"x" * 49), 0.0)) == ["CallReceived"]
    assert kinds(server.receive(call(4, b"a", b"", b"x" * 50), 0.0)) == []


def test_an_answer_above_the_limit_becomes_an_error() -> None:
    server = acceptor(Limits(message_bytes=100_000))
    server.receive(call(), 0.0)
    with pytest.raises(ResponseTooLarge, match="100000 may be sent"):
        server.respond(2, ok=True, arg2=b"", arg3=bytes(100_001))
    assert errors(server.data_to_send()) == [(2, 5, "the answer has 100001 bytes; 100000 may be sent")]
    assert not server.respond_error(2, 5, "again")


def test_an_answer_above_the_callers_limit_fails_that_call() -> None:
    client, server = dialler(Limits(message_bytes=100_000)), acceptor()
    send(client)
    server.receive(client.data_to_send(), 0.0)
    server.respond(2, ok=True, arg2=b"", arg3=bytes(200_000))
    (event,) = client.receive(server.data_to_send(), 0.0)
    assert getattr(event, "code", None) == 0xFF
    assert not client.closing
    assert send(client) == 3


def halves(server: Connection) -> tuple[int, int]:
    budget = server._inbound.halves._budget
    return budget.messages, budget.bytes


def test_half_messages_are_bounded_in_number_and_bytes() -> None:
    server = acceptor(Limits(assembling_messages=3, assembling_bytes=1_000))
    for id in (2, 3, 4, 5):
        server.receive(call(id, b"a", b"b" * 9, flags=1), 0.0)
    assert halves(server) == (3, 30)
    assert [(id, code) for id, code, _ in errors(server.data_to_send())] == [(5, 3)]
    seed = SUMS[3](b"a" + b"b" * 9, 0)
    server.receive(more(0x13, 2, b"b" * 970, flags=1, seed=seed), 0.0)
    assert halves(server) == (3, 1_000)
    server.receive(more(0x13, 3, b"b", flags=1, seed=seed), 0.0)
    assert [(id, code) for id, code, _ in errors(server.data_to_send())] == [(3, 3)]
    assert halves(server) == (2, 990)
    assert kinds(server.receive(more(0x13, 4, b"", b"c", seed=seed), 0.0)) == ["CallReceived"]
    assert halves(server) == (1, 980)


def test_fragments_without_end_hold_bounded_memory() -> None:
    """Many senders, each adding as much as it may: the sum of what is held stays under the bound."""
    limits = Limits(message_bytes=200_000, assembling_bytes=500_000, assembling_messages=10)
    server = acceptor(limits)
    chunk = bytes(60_000)
    for round in range(6):
        for id in range(2, 20):
            seed = SUMS[3](chunk * round, 0)
            data = call(id, b"", chunk, flags=1) if round == 0 else more(0x13, id, chunk, flags=1, seed=seed)
            server.receive(data, 0.0)
            messages, held = halves(server)
            assert messages <= 10
            assert held <= 500_000
    assert not server.closing
