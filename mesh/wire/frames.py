"""TChannel frames, one by one: bytes to a light object and back, with no memory of the frame before.

One rule: a frame is taken only if its content fills it exactly. What the content means is for others to say: service
and transport headers stay bytes here, so that a relay hands on what it does not know.

Layout: TChannel v2, "frames". A frame is size:2 type:1 0:1 id:4 0:8 and a payload; sizes include the 16 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mesh.wire.faults import ProtocolBreach
from mesh.wire.limits import FRAME_HEAD_BYTES, MAX_FRAME_BYTES

INIT_REQ: Final = 0x01
INIT_RES: Final = 0x02
CALL_REQ: Final = 0x03
CALL_RES: Final = 0x04
CALL_REQ_CONTINUE: Final = 0x13
CALL_RES_CONTINUE: Final = 0x14
CANCEL: Final = 0xC0
CLAIM: Final = 0xC1
PING_REQ: Final = 0xD0
PING_RES: Final = 0xD1
ERROR: Final = 0xFF

MORE: Final = 0x01  # flag: another frame of this message follows
STREAMING: Final = 0x02  # flag, first frame only

NO_MESSAGE: Final = 0xFFFF_FFFF  # the id of an error that concerns the connection
TRACING_BYTES: Final = 25
NO_TRACING: Final = bytes(TRACING_BYTES)

_HEAD = struct.Struct(">HBxI8x")
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_INIT = struct.Struct(">HH")  # version, number of headers
_CALL_REQ = struct.Struct(">BI25sB")  # flags, ttl, tracing, service length
_CALL_RES = struct.Struct(">BB25s")  # flags, code, tracing
_CANCEL = struct.Struct(">I25s")  # ttl, tracing
_ERROR = struct.Struct(">B25s")  # code, tracing

# (size, type, id) of the frame that starts at an offset; 16 bytes must be there.
read_head: Callable[[bytes, int], tuple[int, int, int]] = _HEAD.unpack_from


def pack_frame(kind: int, id: int, *payload: bytes) -> bytes:
    size = FRAME_HEAD_BYTES + sum(map(len, payload))
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame has at most {MAX_FRAME_BYTES} bytes, this one {size}")
    return b"".join((_HEAD.pack(size, kind, id), *payload))


@dataclass(slots=True)
class Init:
    """Both init frames; `answer` tells them apart. The order of `headers` is that of the wire."""

    id: int
    version: int
    headers: Mapping[str, str]
    answer: bool

    def pack(self) -> bytes:
        parts = [_INIT.pack(self.version, len(self.headers))]
        for text in (text for item in self.headers.items() for text in item):
            data = text.encode()
            parts += (_U16.pack(len(data)), data)
        return pack_frame(INIT_RES if self.answer else INIT_REQ, self.id, *parts)


@dataclass(slots=True)
class CallRequest:
    """The first frame of a call. `headers` is the block `nh:1 (hk~1 hv~1){nh}`; `sum` is 0 for checksum type 0."""

    id: int
    flags: int
    ttl_ms: int
    tracing: bytes
    service: bytes
    headers: bytes
    checksum: int
    sum: int
    chunks: list[bytes]

    def pack(self) -> bytes:
        head = _CALL_REQ.pack(self.flags, self.ttl_ms, self.tracing, len(self.service))
        return pack_frame(
            CALL_REQ, self.id, head, self.service, self.headers, pack_body(self.checksum, self.sum, self.chunks)
        )


@dataclass(slots=True)
class CallResponse:
    """The first frame of an answer. `code` 0 is success, anything else an application error."""

    id: int
    flags: int
    code: int
    tracing: bytes
    headers: bytes
    checksum: int
    sum: int
    chunks: list[bytes]

    def pack(self) -> bytes:
        head = _CALL_RES.pack(self.flags, self.code, self.tracing)
        return pack_frame(CALL_RES, self.id, head, self.headers, pack_body(self.checksum, self.sum, self.chunks))


@dataclass(slots=True)
class Continue:
    """A further frame of a call, or of an answer (`answer`)."""

    id: int
    flags: int
    checksum: int
    sum: int
    chunks: list[bytes]
    answer: bool

    def pack(self) -> bytes:
        kind = CALL_RES_CONTINUE if self.answer else CALL_REQ_CONTINUE
        return pack_frame(kind, self.id, bytes((self.flags,)), pack_body(self.checksum, self.sum, self.chunks))


@dataclass(slots=True)
class Cancel:
    id: int
    ttl_ms: int
    tracing: bytes
    why: str

    def pack(self) -> bytes:
        why = short_text(self.why)
        return pack_frame(CANCEL, self.id, _CANCEL.pack(self.ttl_ms, self.tracing), _U16.pack(len(why)), why)


@dataclass(slots=True)
class Claim:
    id: int
    ttl_ms: int
    tracing: bytes

    def pack(self) -> bytes:
        return pack_frame(CLAIM, self.id, _CANCEL.pack(self.ttl_ms, self.tracing))


@dataclass(slots=True)
class Ping:
    """A ping, or its answer."""

    id: int
    answer: bool

    def pack(self) -> bytes:
        return pack_frame(PING_RES if self.answer else PING_REQ, self.id)


@dataclass(slots=True)
class Error:
    """`id` is that of the call, or NO_MESSAGE for the connection. `message` is for logs."""

    id: int
    code: int
    tracing: bytes
    message: str

    def pack(self) -> bytes:
        text = short_text(self.message)
        return pack_frame(ERROR, self.id, _ERROR.pack(self.code, self.tracing), _U16.pack(len(text)), text)


Frame = Init | CallRequest | CallResponse | Continue | Cancel | Claim | Ping | Error


def pack_body(checksum: int, sum: int, chunks: list[bytes]) -> bytes:
    """`csumtype:1 (csum:4) chunk~2...`: what every frame that carries arguments ends with."""
    parts = [bytes((checksum,))]
    if checksum:
        parts.append(_U32.pack(sum))
    for chunk in chunks:
        parts += (_U16.pack(len(chunk)), chunk)
    return b"".join(parts)


def _body(data: bytes, at: int) -> tuple[int, int, list[bytes]]:
    checksum = data[at]
    at += 1
    sum = 0
    if checksum:
        (sum,) = _U32.unpack_from(data, at)
        at += 4
    chunks = []
    while at < len(data):
        (length,) = _U16.unpack_from(data, at)
        at += 2
        chunk = data[at : at + length]
        if len(chunk) != length:
            raise ProtocolBreach("a chunk is longer than its frame")
        chunks.append(chunk)
        at += length
    if not chunks:
        raise ProtocolBreach("a frame of a message without a chunk")
    return checksum, sum, chunks


def headers_end(data: bytes, at: int) -> int:
    """The offset after the transport header block at `at`. IndexError when it runs out of the bytes."""
    texts = 2 * data[at]
    at += 1
    for _ in range(texts):
        at += 1 + data[at]
    return at


def short_text(text: str) -> bytes:
    """A text for the peer's log. 1,000 bytes say enough; what is longer is cut, at a whole character."""
    return text.encode(errors="replace")[:1000].decode(errors="ignore").encode()


def _last_text(data: bytes, at: int) -> str:
    (length,) = _U16.unpack_from(data, at)
    if at + 2 + length != len(data):
        raise ProtocolBreach("a text does not end where its frame ends")
    return data[at + 2 :].decode(errors="replace")  # for logs only


def _init(kind: int, id: int, data: bytes) -> Init:
    version, count = _INIT.unpack_from(data, 16)
    at = 20
    texts: list[str] = []
    for _ in range(2 * count):
        (length,) = _U16.unpack_from(data, at)
        at += 2 + length
        if at > len(data):
            raise ProtocolBreach("an init header is longer than its frame")
        texts.append(data[at - length : at].decode())
    if at != len(data):
        raise ProtocolBreach("bytes after the last init header")
    headers = dict(zip(texts[::2], texts[1::2], strict=True))
    if len(headers) != count:
        raise ProtocolBreach("an init header stands twice")
    return Init(id, version, headers, kind == INIT_RES)


def _call_req(kind: int, id: int, data: bytes) -> CallRequest:
    flags, ttl_ms, tracing, length = _CALL_REQ.unpack_from(data, 16)
    start = 47 + length
    end = headers_end(data, start)
    return CallRequest(id, flags, ttl_ms, tracing, data[47:start], data[start:end], *_body(data, end))


def _call_res(kind: int, id: int, data: bytes) -> CallResponse:
    flags, code, tracing = _CALL_RES.unpack_from(data, 16)
    end = headers_end(data, 43)
    return CallResponse(id, flags, code, tracing, data[43:end], *_body(data, end))


def _continue(kind: int, id: int, data: bytes) -> Continue:
    return Continue(id, data[16], *_body(data, 17), kind == CALL_RES_CONTINUE)


def _cancel(kind: int, id: int, data: bytes) -> Cancel:
    ttl_ms, tracing = _CANCEL.unpack_from(data, 16)
    return Cancel(id, ttl_ms, tracing, _last_text(data, 45))


def _claim(kind: int, id: int, data: bytes) -> Claim:
    if len(data) != 45:
        raise ProtocolBreach("bytes after a claim")
    return Claim(id, *_CANCEL.unpack_from(data, 16))


def _ping(kind: int, id: int, data: bytes) -> Ping:
    if len(data) != FRAME_HEAD_BYTES:
        raise ProtocolBreach("a ping with a payload")
    return Ping(id, kind == PING_RES)


def _error(kind: int, id: int, data: bytes) -> Error:
    code, tracing = _ERROR.unpack_from(data, 16)
    return Error(id, code, tracing, _last_text(data, 42))


_PARSERS: dict[int, Callable[[int, int, bytes], Frame]] = {
    INIT_REQ: _init, INIT_RES: _init, CALL_REQ: _call_req, CALL_RES: _call_res, CALL_REQ_CONTINUE: _continue,
    CALL_RES_CONTINUE: _continue, CANCEL: _cancel, CLAIM: _claim, PING_REQ: _ping, PING_RES: _ping, ERROR: _error,
}  # fmt: skip
KINDS = frozenset(_PARSERS)


def parse(data: bytes) -> Frame:
    """One whole frame. Raises ProtocolBreach when `data` is not exactly one well-formed frame."""
    if len(data) < FRAME_HEAD_BYTES:
        raise ProtocolBreach(f"{len(data)} bytes are no frame")
    size, kind, id = read_head(data, 0)
    if size != len(data):
        raise ProtocolBreach(f"a frame of {size} bytes in {len(data)}")
    parser = _PARSERS.get(kind)
    if parser is None:
        raise ProtocolBreach(f"unknown frame type 0x{kind:02x}")
    try:
        return parser(kind, id, data)
    except (struct.error, IndexError):
        raise ProtocolBreach(f"a frame of type 0x{kind:02x} ends before its content does") from None
    except UnicodeDecodeError:
        raise ProtocolBreach("an init header is not UTF-8") from None
