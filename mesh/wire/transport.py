"""Transport headers: `nh:1 (hk~1 hv~1){nh}`, for routers and relays rather than for the application.

One rule: what is written here is accepted by the strictest reader (Node): no key twice, none empty, none over 16 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from mesh.wire.faults import BAD_REQUEST, HeaderError, ProtocolBreach, Refusal
from mesh.wire.limits import MAX_TRANSPORT_HEADERS, MAX_TRANSPORT_KEY_BYTES, MAX_TRANSPORT_VALUE_BYTES


def encode_transport_headers(headers: Mapping[str, str]) -> bytes:
    """The bytes of a header block, for callers that keep them. Raises HeaderError when a bound does not hold."""
    if len(headers) > MAX_TRANSPORT_HEADERS:
        raise HeaderError(f"{len(headers)} transport headers; the protocol allows {MAX_TRANSPORT_HEADERS}")
    parts = [bytes((len(headers),))]
    for key, value in headers.items():
        try:
            k, v = key.encode(), value.encode()
        except UnicodeEncodeError:
            raise HeaderError(f"transport header {key!r} has lone surrogates, which UTF-8 cannot carry") from None
        if not 0 < len(k) <= MAX_TRANSPORT_KEY_BYTES:
            raise HeaderError(f"transport header key {key!r} has {len(k)} bytes; 1 to {MAX_TRANSPORT_KEY_BYTES} fit")
        if len(v) > MAX_TRANSPORT_VALUE_BYTES:
            raise HeaderError(f"transport header {key!r} has {len(v)} bytes; {MAX_TRANSPORT_VALUE_BYTES} fit")
        parts += (bytes((len(k),)), k, bytes((len(v),)), v)
    return b"".join(parts)


def decode_transport_headers(block: bytes) -> dict[str, str]:
    """A block's headers, in its order.

    Raises ProtocolBreach for an empty, long or repeated key (Node closes on these too) and for a block that is cut
    short or goes on, Refusal (bad request) for text that is not UTF-8: one careless value should not end the calls
    of everybody else on the connection.
    """
    count = block[0] if block else -1
    if count > MAX_TRANSPORT_HEADERS:
        raise ProtocolBreach(f"{count} transport headers; the protocol allows {MAX_TRANSPORT_HEADERS}")
    headers: dict[bytes, bytes] = {}
    at = 1
    try:
        for _ in range(count):
            key_end = at + 1 + block[at]
            value_end = key_end + 1 + block[key_end]
            key = block[at + 1 : key_end]
            if not 0 < len(key) <= MAX_TRANSPORT_KEY_BYTES:
                raise ProtocolBreach(f"a transport header key of {len(key)} bytes; 1 to {MAX_TRANSPORT_KEY_BYTES} fit")
            if key in headers:
                raise ProtocolBreach(f"transport header {key!r} stands twice")
            headers[key] = block[key_end + 1 : value_end]
            at = value_end
    except IndexError:
        raise ProtocolBreach("the transport headers end before their count does") from None
    if at != len(block):
        raise ProtocolBreach("the transport headers do not fill their block")
    try:
        return {key.decode(): value.decode() for key, value in headers.items()}
    except UnicodeDecodeError:
        raise Refusal(BAD_REQUEST, "a transport header is not UTF-8") from None
