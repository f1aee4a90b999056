"""A call's fields and where they travel in TChannel: transport headers, tracing bytes, application headers.

One rule: what TChannel has a place for goes there; the rest travels as reserved application headers (`$mesh$...`),
which no handler sees and foreign peers pass over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mesh.call import Call
from mesh.call.context import RESERVED_PREFIXES
from mesh.wire import CallReceived
from mesh.wire.headers import decode_headers, encode_headers

BAGGAGE = "$mesh$baggage-"
TRACE_HIGH = "$mesh$trace-high"
_HEX = re.compile(r"[0-9a-f]{1,16}")
NO_HEADERS = encode_headers({})


def transport_headers(call: Call) -> dict[str, str]:
    """What stands before the arguments: scheme, caller, keys for routing."""
    headers = {"as": "thrift", "cn": call.caller}
    if call.shard_key is not None:
        headers["sk"] = call.shard_key
    if call.routing_key is not None:
        headers["rk"] = call.routing_key
    if call.routing_delegate is not None:
        headers["rd"] = call.routing_delegate
    return headers


def request_arg2(call: Call) -> bytes:
    """The application headers with baggage and the rest of the trace id. Raises HeaderError when they are too large."""
    high = call.trace_high
    if not call.headers and not call.baggage and not high:
        return NO_HEADERS
    headers = dict(call.headers)
    for key, value in call.baggage.items():
        headers[BAGGAGE + key] = value
    if high:
        headers[TRACE_HIGH] = f"{high:x}"
    return encode_headers(headers)


def reply_arg2(headers: Mapping[str, str]) -> bytes:
    return encode_headers(dict(headers)) if headers else NO_HEADERS


def application_headers(headers: dict[str, str]) -> dict[str, str]:
    """What the application may see of the headers in a reply."""
    return {key: value for key, value in headers.items() if not key.startswith(RESERVED_PREFIXES)}


def take_headers(call: Call, event: CallReceived) -> None:
    """Sets what else than its body a request says. Raises HeaderError when its application headers are malformed."""
    transport = event.headers
    if len(transport) > 2:
        call.shard_key = transport.get("sk")
        call.routing_key = transport.get("rk")
        call.routing_delegate = transport.get("rd")
    if event.arg2 and event.arg2 != NO_HEADERS:
        _take_application_headers(call, decode_headers(event.arg2))


def _take_application_headers(call: Call, given: dict[str, str]) -> None:
    headers: dict[str, str] = {}
    baggage: dict[str, str] = {}
    for key, value in given.items():
        if not key.startswith("$"):
            headers[key] = value
        elif key.startswith(BAGGAGE):
            baggage[key.removeprefix(BAGGAGE)] = value
        elif key == TRACE_HIGH:
            if call.trace is not None:
                call.trace.high = _hex_or_zero(value)
        elif not key.startswith(RESERVED_PREFIXES):
            headers[key] = value
    call.headers, call.baggage = headers, baggage


def _hex_or_zero(text: str) -> int:
    # A broken hint must not fail the call; int() alone would take signs, blanks and underscores.
    return int(text, 16) if _HEX.fullmatch(text) else 0
