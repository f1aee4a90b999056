"""The message envelope of strict Thrift binary: version and type, name, seqid; then the struct's bytes.

    80 01 xx tt   name~4   seqid:4   struct

One rule: the struct is bytes here. What it holds is the contract codec's business.
Layout: Apache Thrift, "Thrift Binary protocol encoding", strict form.
"""

from __future__ import annotations

import enum
import struct

from mesh.wire.faults import ProtocolBreach
from mesh.wire.thrift.limits import LENGTH_BYTES, MAX_NAME_BYTES

VERSION = b"\x80\x01"
_HEAD = struct.Struct(">2sxBi")  # version, type, length of the name
_I32 = struct.Struct(">i")


class Kind(enum.IntEnum):
    """A message's type."""

    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


class Envelope:
    """One message. `kind` is as it came, also when it is none that is defined; `body` is the struct."""

    __slots__ = ("body", "kind", "name", "seqid")

    def __init__(self, kind: int, name: bytes, seqid: int, body: bytes) -> None:
        self.kind = kind
        self.name = name
        self.seqid = seqid
        self.body = body

    def __repr__(self) -> str:
        return f"Envelope(kind={self.kind}, name={self.name!r}, seqid={self.seqid}, body={len(self.body)} bytes)"


def read(message: bytes) -> Envelope:
    """Raises ProtocolBreach: without a name and a seqid there is nothing that an answer could refer to."""
    try:
        version, kind, length = _HEAD.unpack_from(message)
        if version != VERSION:
            raise ProtocolBreach(f"a message that starts {message[:4].hex(' ')}, not 80 01 (strict binary)")
        if not 0 <= length <= MAX_NAME_BYTES:
            raise ProtocolBreach(f"a method's name of {length} bytes; the limit is {MAX_NAME_BYTES}")
        at = _HEAD.size + length
        (seqid,) = _I32.unpack_from(message, at)
    except struct.error:
        raise ProtocolBreach("a message that ends within its envelope") from None
    return Envelope(kind, message[_HEAD.size : at], seqid, message[at + _I32.size :])


def write(kind: Kind, name: bytes, seqid: int, body: bytes) -> bytes:
    """A message without its frame. `seqid` has 32 bits and a sign."""
    return b"".join((_HEAD.pack(VERSION, kind, len(name)), name, _I32.pack(seqid), body))


def framed(message: bytes) -> bytes:
    """The message with its length in front."""
    return len(message).to_bytes(LENGTH_BYTES) + message
