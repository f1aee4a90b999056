"""Which protocol a connection's first bytes speak, so that a wrong port is told in one clear line.

One rule: a peer is never called a stranger while its bytes may still become a TChannel init frame.

That works because an init frame is bounded to 4,096 bytes (Limits.init_bytes), so its first byte is below 0x10, and
because its bytes 8 to 15 are zero, where a Thrift frame of such a length has text.
"""

from __future__ import annotations

from mesh.wire.frames import KINDS
from mesh.wire.limits import FRAME_HEAD_BYTES

ENOUGH_BYTES = 18  # after these there is nothing left to find out

_UPPER = range(0x41, 0x5B)
_LETTERS = frozenset(range(0x41, 0x5B)) | frozenset(range(0x61, 0x7B))
_HTTP2 = b"PRI * HTTP/2.0"


FRAMED = frozenset(("Thrift (binary, framed)", "THeader"))


def framed_thrift(first: bytes) -> bool | None:
    """Whether a connection that starts with `first` speaks framed Thrift in strict binary; None: not decided yet."""
    told = what_is(first)
    if told is not None:
        return told in FRAMED
    # What may be TChannel so far and has the mark of such a frame: a few bytes more tell them apart.
    undecided = len(first) < 6 or first[4:6] in (b"\x80\x01", b"\x0f\xff")
    return None if undecided and len(first) < FRAME_HEAD_BYTES else False


def what_is(first: bytes) -> str | None:
    """The protocol of a connection that starts with `first`, or None: TChannel, or not decided yet.

    More bytes than are needed do no harm. Names are for people.
    """
    if not first:
        return None
    lead = first[0]
    if lead == 0x16:
        return "TLS"
    if lead == 0x5B:
        return "Thrift (Apache JSON, unframed)"
    if lead in _UPPER:
        return _http(first)
    if len(first) < 2:
        return None
    if lead == 0x80 and first[1] == 0x01:
        return "Thrift (binary, unframed)"
    if lead == 0x82 and first[1] & 0x1F == 0x01:
        return "Thrift (compact, unframed)"
    if may_be_tchannel(first):
        return None
    return _framed(first)


def _http(first: bytes) -> str | None:
    if first[:4] == _HTTP2[:4]:
        return "HTTP/2"
    if len(first) < 4 and _HTTP2.startswith(first):
        return None  # POST, PUT and PATCH start like PRI
    return "HTTP/1"


def may_be_tchannel(first: bytes) -> bool:
    """Whether this is the head of a first TChannel frame, as far as it goes."""
    return (
        (len(first) < 2 or int.from_bytes(first[:2]) >= FRAME_HEAD_BYTES)
        and (len(first) < 3 or first[2] in KINDS)
        and not any(first[3:4])
        and not any(first[8:FRAME_HEAD_BYTES])
    )


def _framed(first: bytes) -> str | None:
    """Thrift with a length in front, or without an envelope that says what it is."""
    if len(first) < 5:
        return None
    after = first[4:6]
    if after[0] == 0x5B:
        return "Thrift (Apache JSON, framed)"
    short = first[:3] == b"\0\0\0"  # the length of a name, or of a very short frame
    if after[0] == 0x7B and short:
        return "Thrift (thriftpy2's JSON, unframed)"
    if len(after) < 2:
        return None
    if after == b"\x80\x01":
        return "Thrift (binary, framed)"
    if after[0] == 0x82 and after[1] & 0x1F == 0x01:
        return "Thrift (compact, framed)"
    if after == b"\x0f\xff":
        return "THeader"
    if after[0] == 0x00 and any(first[:4]):
        return "Thrift (binary without version, framed)"
    if short and after[0] in _LETTERS:
        return "Thrift (binary without version, unframed)"
    return None
