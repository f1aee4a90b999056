"""THeader: a frame with flags, a seqid of its own, transforms and key-values before the message.

    0F FF   flags:2   seqid:4   words:2   (protocol, transforms, infos, padding: words x 4 bytes)   message

One rule: whatever stands in the header, its frame's end is known; so a header that is wrong costs its message and not
the connection. Layout: Apache Thrift, "Header format"; info 2 (key-values for the connection) and flag 1: fbthrift.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from mesh.wire.faults import HeaderError, ProtocolBreach
from mesh.wire.limits import Limits
from mesh.wire.thrift import varint
from mesh.wire.thrift.application import Type
from mesh.wire.thrift.frames import THEADER
from mesh.wire.thrift.limits import HEADER_SLACK_BYTES, MAX_TRANSFORMS

OUT_OF_ORDER = 0x0001  # the flag of a client that finds its answers by seqid
BINARY = 0
ZLIB = 1
PADDING, KEY_VALUES, LASTING_KEY_VALUES = 0, 1, 2
_HEAD = struct.Struct(">2sHiH")


class Header:
    """One frame read: `texts` are its key-values over those that last, `message` has its transforms undone."""

    __slots__ = ("flags", "message", "seqid", "texts")

    def __init__(self, flags: int, seqid: int, texts: dict[str, str], message: bytes) -> None:
        self.flags = flags
        self.seqid = seqid
        self.texts = texts
        self.message = message


class HeaderRefused(Exception):
    """The message behind this header cannot be read, but its sender can be told so."""

    def __init__(self, type: Type, reason: str, flags: int, seqid: int) -> None:
        super().__init__(reason)
        self.type = type
        self.reason = reason
        self.flags = flags
        self.seqid = seqid


class _Refusal(Exception):
    def __init__(self, type: Type, reason: str) -> None:
        super().__init__(reason)
        self.type = type


class HeaderReader:
    """Reads the headers of one direction of one connection; remembers the key-values that last for it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lasting: dict[str, str] = {}

    def read(self, frame: bytes) -> Header:
        """Raises HeaderRefused, and ProtocolBreach when not even the seqid is there."""
        if len(frame) < _HEAD.size:
            raise ProtocolBreach(f"a THeader frame of {len(frame)} bytes; {_HEAD.size} is the least")
        _, flags, seqid, words = _HEAD.unpack_from(frame)
        end = _HEAD.size + 4 * words
        try:
            self._check_size(end, len(frame))
            transforms, texts = self._read_block(frame, end)
            message = frame[end:]
            if transforms:
                message = _inflate(message, self._limits.message_bytes)
        except _Refusal as refusal:
            raise HeaderRefused(refusal.type, str(refusal), flags, seqid) from None
        except ValueError as error:  # a varint or a text
            raise HeaderRefused(Type.PROTOCOL_ERROR, f"THeader: {error}", flags, seqid) from None
        return Header(flags, seqid, texts, message)

    def _check_size(self, end: int, size: int) -> None:
        if end > size:
            raise _Refusal(Type.PROTOCOL_ERROR, f"a THeader of {end} bytes in a frame of {size}")
        most = self._limits.headers_bytes + HEADER_SLACK_BYTES
        if end > most:
            raise _Refusal(Type.PROTOCOL_ERROR, f"a THeader of {end} bytes; the limit is {most}")

    def _read_block(self, frame: bytes, end: int) -> tuple[int, dict[str, str]]:
        """The number of transforms and the key-values."""
        protocol, at = varint.read(frame, _HEAD.size, end)
        if protocol != BINARY:
            raise _Refusal(Type.INVALID_PROTOCOL, f"THeader protocol {protocol}; only binary (0) is spoken here")
        count, at = varint.read(frame, at, end)
        if count > MAX_TRANSFORMS:
            raise _Refusal(Type.INVALID_TRANSFORM, f"{count} transforms; the limit is {MAX_TRANSFORMS}")
        for _ in range(count):
            transform, at = varint.read(frame, at, end)
            if transform != ZLIB:
                raise _Refusal(Type.INVALID_TRANSFORM, f"transform {transform}; only zlib (1) is known here")
        texts: dict[str, str] = {}
        lasting: dict[str, str] = {}
        while at < end:
            info, at = varint.read(frame, at, end)
            if info == KEY_VALUES:
                at = self._read_texts(frame, at, end, texts)
            elif info == LASTING_KEY_VALUES:
                at = self._read_texts(frame, at, end, lasting)
            else:
                break  # padding, or a kind that came later: those stand behind all that are known
        if lasting:
            kept = {**self._lasting, **lasting}
            self._check_texts(kept)
            self._lasting = kept
        if self._lasting:
            texts = {**self._lasting, **texts}
        self._check_texts(texts)
        return count, texts

    def _read_texts(self, frame: bytes, at: int, end: int, texts: dict[str, str]) -> int:
        count, at = varint.read(frame, at, end)
        if count > self._limits.headers:
            raise _Refusal(Type.PROTOCOL_ERROR, f"{count} headers; the limit is {self._limits.headers}")
        for _ in range(count):
            key, at = varint.read_text(frame, at, end)
            texts[key], at = varint.read_text(frame, at, end)
        return at

    def _check_texts(self, texts: Mapping[str, str]) -> None:
        limits = self._limits
        if len(texts) > limits.headers:
            raise _Refusal(Type.PROTOCOL_ERROR, f"{len(texts)} headers; the limit is {limits.headers}")
        size = sum(len(key) + len(value) for key, value in texts.items())  # characters: the bytes were bounded before
        if size > limits.headers_bytes:
            raise _Refusal(Type.PROTOCOL_ERROR, f"headers of {size} characters; the limit is {limits.headers_bytes}")


def write(flags: int, seqid: int, texts: Mapping[str, str], message: bytes, limits: Limits) -> bytes:
    """A frame's content in binary protocol, without transforms. Raises HeaderError for texts that do not fit.

    Nothing is packed: deflating 8 MiB would hold up every other call of the process for a fifth of a second.
    """
    block = bytearray((BINARY, 0))
    if texts:
        if len(texts) > limits.headers:
            raise HeaderError(f"{len(texts)} headers; the limit is {limits.headers}")
        block.append(KEY_VALUES)
        block += varint.write(len(texts))
        try:
            for key, value in texts.items():
                block += varint.write_text(key)
                block += varint.write_text(value)
        except UnicodeEncodeError:
            raise HeaderError("a header has lone surrogates, which UTF-8 cannot carry") from None
        if len(block) > limits.headers_bytes:
            raise HeaderError(f"headers of {len(block)} bytes; the limit is {limits.headers_bytes}")
    block += bytes(-len(block) % 4)
    return b"".join((_HEAD.pack(THEADER, flags, seqid, len(block) // 4), block, message))


def _inflate(data: bytes, limit: int) -> bytes:
    """Raises _Refusal for what is no zlib stream, is cut short, goes on behind its end, or grows beyond `limit`."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise _Refusal(Type.INVALID_TRANSFORM, f"zlib: {error}") from None
    if len(unpacked) > limit:
        raise _Refusal(Type.INVALID_TRANSFORM, f"zlib: more than {limit} bytes unpacked; that is the limit")
    if not unpacker.eof or unpacker.unused_data:
        raise _Refusal(Type.INVALID_TRANSFORM, "zlib: the stream is not whole or not all")
    return unpacked
