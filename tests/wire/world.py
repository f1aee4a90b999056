"""Frames written by hand and connections to give them to.

One rule: bytes are made here without mesh.wire's codec, so that a mistake in it cannot hide behind itself.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import crc32c

from mesh.wire import Connection, Event, HandshakeDone, Identity, Limits

SUMS: dict[int, Callable[[bytes, int], int]] = {0: lambda data, seed: 0, 1: zlib.crc32, 3: crc32c.crc32c}
TRACING = bytes.fromhex("0000000000000007 0000000000000000 0000000000000007 01".replace(" ", ""))
AS_THRIFT = (("as", "thrift"), ("cn", "me"))
NOBODY = 0xFFFFFFFF


def hexed(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


def frame(kind: int, id: int, payload: bytes = b"", size: int | None = None) -> bytes:
    size = 16 + len(payload) if size is None else size
    return struct.pack(">HBxI8x", size, kind, id) + payload


def text2(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def init(kind: int = 1, version: int = 2, headers: tuple[tuple[str, str], ...] | None = None, id: int = 1) -> bytes:
    if headers is None:
        headers = (("host_port", "127.0.0.1:7001"), ("process_name", "p"))
    texts = b"".join(text2(key) + text2(value) for key, value in headers)
    return frame(kind, id, struct.pack(">HH", version, len(headers)) + texts)


def transport(headers: tuple[tuple[str, str], ...]) -> bytes:
    parts = [bytes((len(headers),))]
    for item in headers:
        for text in item:
            data = text.encode()
            parts.append(bytes((len(data),)) + data)
    return b"".join(parts)


def body(chunks: tuple[bytes, ...], checksum: int = 3, seed: int = 0, wrong: int = 0) -> bytes:
    """Checksum type, sum and chunks; `wrong` is added to the sum."""
    sum = seed
    for chunk in chunks:
        sum = SUMS[checksum](chunk, sum) if checksum in SUMS else 0
    head = bytes((checksum,)) + (struct.pack(">I", (sum + wrong) & 0xFFFFFFFF) if checksum else b"")
    return head + b"".join(struct.pack(">H", len(chunk)) + chunk for chunk in chunks)


def call(
    id: int = 2,
    *chunks: bytes,
    flags: int = 0,
    ttl: int = 1000,
    tracing: bytes = TRACING,
    service: str | bytes = "svc",
    headers: tuple[tuple[str, str], ...] | bytes = AS_THRIFT,
    checksum: int = 3,
    wrong: int = 0,
) -> bytes:
    name = service.encode() if isinstance(service, str) else service
    block = headers if isinstance(headers, bytes) else transport(headers)
    lead = struct.pack(">BI", flags, ttl) + tracing + bytes((len(name),)) + name + block
    return frame(0x03, id, lead + body(chunks or (b"a", b"bb", b"ccc"), checksum, wrong=wrong))


def answer(
    id: int = 2,
    *chunks: bytes,
    flags: int = 0,
    code: int = 0,
    tracing: bytes = TRACING,
    headers: tuple[tuple[str, str], ...] | bytes = (("as", "thrift"),),
    checksum: int = 3,
    wrong: int = 0,
) -> bytes:
    block = headers if isinstance(headers, bytes) else transport(headers)
    lead = bytes((flags, code)) + tracing + block
    return frame(0x04, id, lead + body(chunks or (b"", b"bb", b"ccc"), checksum, wrong=wrong))


def more(kind: int, id: int, *chunks: bytes, flags: int = 0, seed: int = 0, checksum: int = 3, wrong: int = 0) -> bytes:
    """A continue frame: 0x13 of a call, 0x14 of an answer. `seed` is the sum up to it."""
    return frame(kind, id, bytes((flags,)) + body(chunks, checksum, seed, wrong))


def summed(*chunks: bytes, checksum: int = 3) -> int:
    sum = 0
    for chunk in chunks:
        sum = SUMS[checksum](chunk, sum)
    return sum


def error(id: int, code: int, message: str, tracing: bytes = TRACING) -> bytes:
    return frame(0xFF, id, bytes((code,)) + tracing + text2(message))


def cancel(id: int, why: str = "enough", tracing: bytes = TRACING) -> bytes:
    return frame(0xC0, id, struct.pack(">I", 5) + tracing + text2(why))


def split(data: bytes) -> list[tuple[int, int, bytes]]:
    """(type, id, payload) of each frame in `data`, which must be whole frames."""
    frames = []
    while data:
        size, kind, id = struct.unpack_from(">HBxI8x", data)
        assert 16 <= size <= len(data)
        frames.append((kind, id, data[16:size]))
        data = data[size:]
    return frames


def errors(data: bytes) -> list[tuple[int, int, str]]:
    """(id, code, message) of each frame in `data`; all of them must be errors."""
    found = []
    for kind, id, payload in split(data):
        assert kind == 0xFF, f"a frame of type {kind:#x}"
        found.append((id, payload[0], payload[28:].decode()))
    return found


def acceptor(limits: Limits | None = None, *, mesh: bool = False) -> Connection:
    """A server's connection after the handshake with a foreign peer, or with one of ours."""
    connection = Connection(False, Identity("127.0.0.1:7001", "server"), limits or Limits())
    connection.start(0.0)
    headers = [("host_port", "0.0.0.0:0"), ("process_name", "p")] + [("thriftmesh", "1")] * mesh
    events = connection.receive(init(headers=tuple(headers)), 0.0)
    assert [type(event) for event in events] == [HandshakeDone]
    connection.data_to_send()
    return connection


def dialler(limits: Limits | None = None, *, mesh: bool = False) -> Connection:
    """A client's connection after the handshake."""
    connection = Connection(True, Identity("0.0.0.0:0", "client"), limits or Limits())
    connection.start(0.0)
    connection.data_to_send()
    headers = [("host_port", "127.0.0.1:7001"), ("process_name", "p")] + [("thriftmesh", "1")] * mesh
    events = connection.receive(init(kind=2, headers=tuple(headers)), 0.0)
    assert [type(event) for event in events] == [HandshakeDone]
    return connection


def send(connection: Connection, *, now: float = 0.0, **changes: object) -> int:
    """A call of ours: the same as `call()` writes, unless told otherwise."""
    options: dict[str, object] = {
        "now": now, "ttl_ms": 1000, "tracing": TRACING, "service": "svc", "headers": dict(AS_THRIFT),
        "arg1": b"a", "arg2": b"bb", "arg3": b"ccc",
    }  # fmt: skip
    return connection.send_call(**(options | changes))  # type: ignore[arg-type]


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]
