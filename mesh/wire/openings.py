"""What stands between tracing and the checksum of a call or an answer: service, transport headers, checksum type.

One rule: the same bytes always give the same opening, so each is read once and then found by its bytes. A caller
sends the same few openings for ever.

An opening also carries the layout of frames that have it, as one Struct: all that stands before it has a fixed size,
so with its own size known a single unpacking reads a frame up to the arguments, and a single packing writes it.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from mesh.wire.checksum import FUNCTIONS, SumFunction
from mesh.wire.faults import BAD_REQUEST, Refusal
from mesh.wire.frames import headers_end
from mesh.wire.headers import NO_HEADERS
from mesh.wire.limits import MAX_SERVICE_BYTES
from mesh.wire.transport import decode_transport_headers, encode_transport_headers

# Kept per connection and direction. A peer uses one per service that it calls; shard keys may make one per call, and
# then the table is emptied whenever it is full, which costs less than telling old from new. Likewise the names of
# methods beside each. At most 64 openings of 1 KiB with 64 names of 128 bytes: about 600 KiB, in practice a few.
KEPT = 64
_KEPT_BYTES = 1_024
_KEPT_NAME_BYTES = 128


@functools.lru_cache(256)  # by size, not by opening: compiling one takes microseconds
def _call_layout(size: int, summed: bool) -> struct.Struct:
    """size, type, id, flags, ttl, tracing, opening, sum (b"" where there is none), length of arg1."""
    return struct.Struct(f">HBxI8xBI25s{size}s{'I' if summed else '0s'}H")


@functools.lru_cache(256)
def _answer_layout(size: int, summed: bool) -> struct.Struct:
    """size, type, id, flags, code, tracing, opening, sum, lengths of arg1 and arg2, two bytes of arg2, length of arg3.

    The last two are that only if arg1 is empty and arg2 has two bytes, as it has when there are no headers.
    """
    return struct.Struct(f">HBxI8xBB25s{size}s{'I' if summed else '0s'}HHHH")


class Opening:
    """`raw` is its bytes, the checksum type included; `size` how many; `sum` the function of that type."""

    __slots__ = ("checksum", "headers", "layout", "pack", "raw", "size", "span", "sum", "unpack")

    def __init__(self, raw: bytes, headers: Mapping[str, str], sum: SumFunction, layout: struct.Struct) -> None:
        self.raw = raw
        self.size = len(raw)
        self.headers = headers
        self.checksum = raw[-1]
        self.sum = sum
        self.layout = layout
        self.unpack = layout.unpack_from
        self.pack = layout.pack
        self.span = layout.size


class AnswerOpening(Opening):
    """`empty_sum` is the sum over an arg2 without headers, with which most answers start."""

    __slots__ = ("empty_sum",)

    def __init__(self, raw: bytes, headers: Mapping[str, str], sum: SumFunction, layout: struct.Struct) -> None:
        super().__init__(raw, headers, sum, layout)
        self.empty_sum = sum(NO_HEADERS, 0)


class CallOpening(Opening):
    """`answer` is the opening of this call's answer: argument scheme and checksum type in kind. `starts` has the
    sums over what most calls start with, a method's name as arg1 and an arg2 without headers, by that name."""

    __slots__ = ("answer", "service", "starts")

    def __init__(
        self,
        raw: bytes,
        service: str,
        headers: Mapping[str, str],
        sum: SumFunction,
        layout: struct.Struct,
        answer: AnswerOpening,
    ) -> None:
        super().__init__(raw, headers, sum, layout)
        self.service = service
        self.answer = answer
        self.starts: dict[bytes, int] = {}

    def sum_start(self, arg1: bytes) -> int:
        """The sum over arg1 and an arg2 without headers. Goes into `starts`, which the next call looks at first."""
        sum = self.sum(NO_HEADERS, self.sum(arg1, 0))
        if len(arg1) <= _KEPT_NAME_BYTES:
            if len(self.starts) >= KEPT:
                self.starts.clear()
            self.starts[arg1] = sum
        return sum


OpeningKind = TypeVar("OpeningKind", bound=Opening)


class Openings(Generic[OpeningKind]):
    """Those that are known in one direction, by their bytes, and the last one used."""

    __slots__ = ("_by_bytes", "last")

    def __init__(self) -> None:
        self._by_bytes: dict[bytes, OpeningKind] = {}
        self.last: OpeningKind | None = None

    def learn(self, opening: OpeningKind) -> None:
        if opening.size > _KEPT_BYTES:
            return
        if len(self._by_bytes) >= KEPT:
            self._by_bytes.clear()
        self._by_bytes[opening.raw] = opening
        self.last = opening

    def find(self, data: bytes, at: int, headers_at: int) -> OpeningKind | None:
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
        reason = f"checksum type {checksum} is not taken here; send 0 (none), 1 (CRC-32) or 3 (CRC-32C)"
        raise Refusal(BAD_REQUEST, reason)
    return function


def open_call(service: bytes, block: bytes, checksum: int) -> CallOpening:
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
    layout = _call_layout(len(raw), checksum != 0)
    return CallOpening(raw, name, MappingProxyType(headers), sum, layout, _answer_to(headers["as"], checksum))


@functools.lru_cache(64)  # there are five argument schemes
def _answer_to(scheme: str, checksum: int) -> AnswerOpening:
    return open_answer(encode_transport_headers({"as": scheme}), checksum)


def open_answer(block: bytes, checksum: int) -> AnswerOpening:
    """Raises as `open_call`. A missing `as` is let pass: the caller knows what it asked for."""
    headers = MappingProxyType(decode_transport_headers(block))
    sum = _sum_function(checksum)
    raw = block + bytes((checksum,))
    return AnswerOpening(raw, headers, sum, _answer_layout(len(raw), checksum != 0))


def write_call_opening(service: str, block: bytes, checksum: int) -> CallOpening:
    """The opening of a call of ours, checked by the same reader that a peer's goes through.

    Raises ProtocolBreach or Refusal as `open_call`: nothing is sent that would not be taken here.
    """
    name = service.encode(errors="surrogateescape")
    if len(name) > MAX_SERVICE_BYTES:
        raise Refusal(BAD_REQUEST, f"the service's name has {len(name)} bytes; {MAX_SERVICE_BYTES} fit")
    return open_call(name, block, checksum)
