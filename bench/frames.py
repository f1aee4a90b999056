"""The frames that the load generator sends, built by hand: TChannel v2, nothing taken from the code being measured.

One rule: what the server must answer is checked here once, byte by byte, before anything is timed.
"""

from __future__ import annotations

import socket
import struct
from typing import BinaryIO

import crc32c

_HEADER = struct.Struct(">HBBIQ")  # size, type, reserved, id, reserved
_INIT_REQUEST, _INIT_ANSWER, _CALL, _ANSWER = 0x01, 0x02, 0x03, 0x04
_CRC32C = 0x03
_TTL_MS = 1000
_TRACE = 0x5EED << 32  # upper half of every id: the load generator counts up the lower half

TEXT = "twenty characters ok"
NUMBER = 1_234_567_890_123
ITEMS = ["item-one", "item-two", "item-six"]


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def _long(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _text(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def sample() -> bytes:
    """The struct of the benchmark in Thrift's binary protocol: 83 bytes."""
    text = b"\x0b\x00\x01" + _text(TEXT.encode())
    number = b"\x0a\x00\x02" + struct.pack(">q", NUMBER)
    items = b"\x0f\x00\x03\x0b" + struct.pack(">i", len(ITEMS)) + b"".join(_text(item.encode()) for item in ITEMS)
    return text + number + items + b"\x00"


def frame(kind: int, message_id: int, payload: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(payload), kind, 0, message_id, 0) + payload


def init_request() -> bytes:
    """The dialler's half of the handshake, as a process that does not listen."""
    headers = {
        "host_port": "0.0.0.0:0",
        "process_name": "bench",
        "tchannel_language": "c",
        "tchannel_language_version": "11",
        "tchannel_version": "1",
    }
    pairs = b"".join(_long(key.encode()) + _long(value.encode()) for key, value in headers.items())
    return frame(_INIT_REQUEST, 1, struct.pack(">HH", 2, len(headers)) + pairs)


def call(service: str = "interop", method: str = "Echo::echo") -> bytes:
    """A call of `method` with the sample as its first parameter, in one frame, CRC-32C, no application headers."""
    arguments = (method.encode(), b"\x00\x00", b"\x0c\x00\x01" + sample() + b"\x00")
    checksum = 0
    for argument in arguments:
        checksum = crc32c.crc32c(argument, checksum)
    tracing = struct.pack(">QQQB", _TRACE, 0, _TRACE | 1, 0)
    transport = _short("as") + _short("thrift") + _short("cn") + _short("bench")
    before = struct.pack(">BI", 0, _TTL_MS) + tracing + _short(service) + b"\x02" + transport
    return frame(_CALL, 1, before + struct.pack(">BI", _CRC32C, checksum) + b"".join(map(_long, arguments)))


def framed_call(method: str = "echo") -> bytes:
    """The same call in framed Thrift, strict binary."""
    name = method.encode()
    message = struct.pack(">I", 0x80010001) + _text(name) + struct.pack(">i", 7) + b"\x0c\x00\x01" + sample() + b"\x00"
    return struct.pack(">I", len(message)) + message


def verify(host: str, port: int) -> None:
    """One call over a socket of its own; AssertionError when the answer is anything but the sample, in kind."""
    with socket.create_connection((host, port), timeout=5) as connection, connection.makefile("rb") as reader:
        connection.sendall(init_request())
        kind, _ = _read_frame(reader)
        assert kind == _INIT_ANSWER, f"the handshake was answered with frame type {kind:#04x}"
        connection.sendall(call())
        kind, payload = _read_frame(reader)
        assert kind == _ANSWER, f"the call was answered with frame type {kind:#04x}: {payload!r}"
        assert payload[:2] == b"\x00\x00", f"flags and code are {payload[:2].hex()}, wanted a success in one frame"
        assert payload[2:10] == struct.pack(">Q", _TRACE), "the answer does not carry the call's span id"
        result = b"\x0c\x00\x00" + sample() + b"\x00"
        arguments = _long(b"") + _long(b"\x00\x00") + _long(result)
        assert payload.endswith(arguments), f"the answer is not the sample that was sent: {payload.hex()}"
        checksum = struct.pack(">BI", _CRC32C, crc32c.crc32c(result, crc32c.crc32c(b"\x00\x00")))
        assert payload[: -len(arguments)].endswith(checksum), "the answer's checksum is wrong or of another kind"


def _read_frame(reader: BinaryIO) -> tuple[int, bytes]:
    header = reader.read(_HEADER.size)
    assert len(header) == _HEADER.size, "the server closed the connection"
    size, kind, *_ = _HEADER.unpack(header)
    return kind, reader.read(size - _HEADER.size)
