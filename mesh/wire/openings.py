"""What stands between tracing and the checksum of a call or an answer: service, transport headers, checksum type.

One rule: the same bytes always give the same opening, so each is read once and then found by its bytes. A caller
sends the same few openings for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mesh.wire.checksum import FUNCTIONS, Checksum, SumFunction
from mesh.wire.faults import BAD_REQUEST, Refusal
from mesh.wire.frames import headers_end
from mesh.wire.limits import MAX_SERVICE_BYTES
from mesh.wire.transport import decode_transport_headers, encode_transport_headers

# Kept per connection and direction. A peer uses one per service that it calls; shard keys may make one per call, and
# then the table is emptied whenever it is full, which costs less than telling old from new. 64 of 1 KiB: 64 KiB.
KEPT = 64
_KEPT_BYTES = 1_024


class Opening:
    """Read once, shared by all messages that start with `raw`. `answer` is what the response's opening will be."""

    __slots__ = ("answer", "checksum", "headers", "raw", "service", "size", "sum")

    def __init__(
        self, raw: bytes, service: str, headers: Mapping[str, str], checksum: Checksum, sum: SumFunction, answer: bytes
    ) -> None:
        self.raw = raw
        self.size = len(raw)
        self.service = service
        self.headers = headers
        self.checksum = checksum
        self.sum = sum
        self.answer = answer


class Openings:
    """Those that are known in one direction, by their bytes, and the last one used."""

    __slots__ = ("_by_bytes", "last")

    def __init__(self) -> None:
        self._by_bytes: dict[bytes, Opening] = {}
        self.last: Opening | None = None

    def learn(self, opening: Opening) -> None:
        if opening.size > _KEPT_BYTES:
            return
        if len(self._by_bytes) >= KEPT:
            self._by_bytes.clear()
        self._by_bytes[opening.raw] = opening
        self.last = opening

    def find(self, data: bytes, at: int, headers_at: int) -> Opening | None:
        """The opening at `at`, if it is known; its header block starts at `headers_at`. Becomes the last one."""
        try:
            end = headers_end(data, headers_at) + 1
        except IndexError:
            return None
        opening = self._by_bytes.get(data[at:end])
        if opening is not None:
            self.last = opening
        return opening


def _sum_function(checksum: int) -> SumFunction:
    function = FUNCTIONS.get(checksum)
    if function is None:
        raise Refusal(
            BAD_REQUEST, f"checksum type {checksum} is not taken here; send 0 (none), 1 (CRC-32) or 3 (CRC-32C)"
        )
    return function


def open_call(service: bytes, block: bytes, checksum: int) -> Opening:
    """Raises ProtocolBreach for a broken header block and Refusal (bad request) for what this call lacks."""
    headers = decode_transport_headers(block)
    sum = _sum_function(checksum)
    if not service:
        raise Refusal(BAD_REQUEST, "the call names no service")
    for key, meaning in (("as", "the argument scheme"), ("cn", "the caller's name")):
        if not headers.get(key):
            raise Refusal(BAD_REQUEST, f"the transport header {key!r} ({meaning}) is missing")
    try:
        name = service.decode()
    except UnicodeDecodeError:
        raise Refusal(BAD_REQUEST, "the service's name is not UTF-8") from None
    raw = bytes((len(service),)) + service + block + bytes((checksum,))
    answer = encode_transport_headers({"as": headers["as"]}) + bytes((checksum,))
    return Opening(raw, name, MappingProxyType(headers), Checksum(checksum), sum, answer)


def open_response(block: bytes, checksum: int) -> Opening:
    """Raises as `open_call`. A missing `as` is let pass: the caller knows what it asked for."""
    headers = MappingProxyType(decode_transport_headers(block))
    return Opening(block + bytes((checksum,)), "", headers, Checksum(checksum), _sum_function(checksum), b"")


def write_call_opening(service: str, block: bytes, checksum: Checksum) -> Opening:
    """The opening of a call of ours, checked by the same reader that a peer's goes through.

    Raises ProtocolBreach or Refusal as `open_call`: nothing is sent that would not be taken here.
    """
    name = service.encode(errors="surrogateescape")
    if len(name) > MAX_SERVICE_BYTES:
        raise Refusal(BAD_REQUEST, f"the service's name has {len(name)} bytes; {MAX_SERVICE_BYTES} fit")
    return open_call(name, block, checksum)
