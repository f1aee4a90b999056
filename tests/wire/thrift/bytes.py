"""Framed Thrift written by hand: without mesh.wire's own writers, so that a mistake in them cannot hide."""

from __future__ import annotations

import struct
import zlib

CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4


def message(name: str | bytes = "ping", seqid: int = 7, kind: int = CALL, body: bytes = b"\0") -> bytes:
    data = name.encode() if isinstance(name, str) else name
    return struct.pack(">HBBi", 0x8001, 0, kind, len(data)) + data + struct.pack(">i", seqid) + body


def frame(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def call(name: str = "ping", seqid: int = 7, kind: int = CALL, body: bytes = b"\0") -> bytes:
    return frame(message(name, seqid, kind, body))


def error(kind: int, text: str) -> bytes:
    data = text.encode()
    return b"\x0b\0\1" + struct.pack(">i", len(data)) + data + b"\x08\0\2" + struct.pack(">i", kind) + b"\0"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))


def text(value: str) -> bytes:
    return varint(len(value.encode())) + value.encode()


def texts(values: dict[str, str], info: int = 1) -> bytes:
    return bytes((info,)) + varint(len(values)) + b"".join(text(k) + text(v) for k, v in values.items())


def theader(
    content: bytes,
    infos: bytes = b"",
    *,
    flags: int = 0,
    seqid: int = 7,
    protocol: int = 0,
    transforms: tuple[int, ...] = (),
    block: bytes | None = None,
) -> bytes:
    """A THeader frame's content; zlib is applied where a transform says so."""
    for transform in transforms:
        content = zlib.compress(content) if transform == 1 else content
    if block is None:
        block = varint(protocol) + varint(len(transforms)) + b"".join(map(varint, transforms)) + infos
    block += bytes(-len(block) % 4)
    return struct.pack(">HHiH", 0x0FFF, flags, seqid, len(block) // 4) + block + content
