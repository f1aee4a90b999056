"""Application headers: arg2 of a thrift call, `nh:2 (k~2 v~2){nh}`.

One rule: text in, the same text out. Which keys are reserved (`$rpc$-`, `$tracing$`) is the business of whoever
reads them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from mesh.wire.faults import HeaderError
from mesh.wire.limits import DEFAULT_LIMITS, Limits

__all__ = ["NO_HEADERS", "HeaderError", "decode_headers", "encode_headers"]

NO_HEADERS = b"\x00\x00"

_U16 = struct.Struct(">H")


def encode_headers(headers: Mapping[Any, Any], limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Whatever an application gave. Raises HeaderError when it is not all text, too much or too long."""
    if not headers:
        return NO_HEADERS
    if len(headers) > limits.headers:
        raise HeaderError(f"{len(headers)} headers; the limit is {limits.headers}")
    parts = [_U16.pack(len(headers))]
    size = 2
    for text in (text for item in headers.items() for text in item):
        try:
            data = text.encode()
        except AttributeError:
            raise HeaderError(f"{text!r:.40} is no text") from None
        except UnicodeEncodeError:
            raise HeaderError(f"{text[:40]!r} has lone surrogates, which UTF-8 cannot carry") from None
        size += 2 + len(data)
        if size > limits.headers_bytes or len(data) > 0xFFFF:
            raise HeaderError(f"headers of more than {limits.headers_bytes} bytes (at {text[:40]!r})")
        parts += (_U16.pack(len(data)), data)
    return b"".join(parts)


def decode_headers(data: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """Raises HeaderError when `data` is cut short, goes on, repeats a key, is not UTF-8 or breaks a limit.

    No bytes at all are no headers: Py sends that.
    """
    if data == NO_HEADERS or not data:
        return {}
    if len(data) > limits.headers_bytes:
        raise HeaderError(f"headers of {len(data)} bytes; the limit is {limits.headers_bytes}")
    texts: list[str] = []
    try:
        (count,) = _U16.unpack_from(data)
        if count > limits.headers:
            raise HeaderError(f"{count} headers; the limit is {limits.headers}")
        at = 2
        for _ in range(2 * count):
            (length,) = _U16.unpack_from(data, at)
            at += 2 + length
            texts.append(data[at - length : at].decode())
    except struct.error:
        raise HeaderError("the headers end before their count does") from None
    except UnicodeDecodeError:
        raise HeaderError("a header is not UTF-8") from None
    if at != len(data):
        raise HeaderError("the headers do not fill arg2 exactly")
    headers = dict(zip(texts[::2], texts[1::2], strict=True))
    if len(headers) != count:
        raise HeaderError("a header stands twice")
    return headers
