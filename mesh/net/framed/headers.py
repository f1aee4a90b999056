"""A call's fields and where they travel in THeader's key-values.

One rule: a key that others have already given a meaning keeps it; the rest has our prefix, which no handler sees. Plain
framed Thrift carries nothing of this, and its calls get the contract's deadline and a trace of their own.

    client_timeout     milliseconds that the caller still waits (fbthrift's key)
    caller             the caller's name
    traceparent        W3C Trace Context
    $mesh$baggage-KEY  baggage, as over TChannel
    $mesh$draining     in an answer: why the instance takes no more calls
    $mesh$error        in an error's answer: its name in mesh.errors, finer than a TApplicationException's type
"""

from __future__ import annotations

from collections.abc import Mapping

from mesh.call import Call
from mesh.call.context import RESERVED_PREFIXES
from mesh.call.trace import from_traceparent
from mesh.contract.model import Method
from mesh.errors import BadRequest
from mesh.net.mapping import BAGGAGE

TIMEOUT = "client_timeout"
CALLER = "caller"
TRACE = "traceparent"
ERROR = "$mesh$error"
DRAINING = "$mesh$draining"
KNOWN = frozenset((TIMEOUT, CALLER, TRACE))

UNKNOWN_CALLER = "unknown"  # the caller's name, of a call that bears none
MAX_CALLER_BYTES = 255  # as TChannel's `cn`
MAX_TIMEOUT_MS = 0xFFFF_FFFF  # as TChannel's ttl


def to_call(method: Method, body: bytes, texts: Mapping[str, str], *, service: str, now: float, peer: str) -> Call:
    """The call that a request asks for; its deadline is at most the contract's.

    Raises BadRequest when a well-known key has a value that it cannot have.
    """
    call = Call(method, body, service, UNKNOWN_CALLER, now + method.policy.timeout_ms / 1000, peer=peer)
    call.started = now
    if texts:
        _take_texts(call, texts)
    return call


def _take_texts(call: Call, texts: Mapping[str, str]) -> None:
    headers: dict[str, str] = {}
    baggage: dict[str, str] = {}
    for key, value in texts.items():
        if key == TIMEOUT:
            _take_timeout(call, value)
        elif key == CALLER:
            size = len(value.encode())
            if not 0 < size <= MAX_CALLER_BYTES:
                raise BadRequest(f"{CALLER}: a name of {size} bytes; 1 to {MAX_CALLER_BYTES} fit")
            call.caller = value
        elif key == TRACE:
            trace = from_traceparent(value)
            if trace is not None:
                call.trace = trace
        elif key.startswith(BAGGAGE):
            baggage[key.removeprefix(BAGGAGE)] = value
        elif not key.startswith(RESERVED_PREFIXES):
            headers[key] = value
    call.headers, call.baggage = headers, baggage


def _take_timeout(call: Call, value: str) -> None:
    timeout_ms = _milliseconds(value)
    if timeout_ms and call.deadline is not None:
        call.deadline = min(call.deadline, call.started + timeout_ms / 1000)


def _milliseconds(text: str) -> int:
    """0: the caller sets no limit, as in fbthrift."""
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_TIMEOUT_MS:
        raise BadRequest(f"{TIMEOUT}: {text[:20]!r} is no number of milliseconds up to {MAX_TIMEOUT_MS}")
    return int(text)


def request_texts(call: Call, now: float) -> dict[str, str]:
    """The key-values of a call that goes out. Raises BadRequest for an application header with a well-known key."""
    taken = KNOWN & call.headers.keys()
    if taken:
        raise BadRequest(f"header {min(taken)!r} belongs to the protocol over THeader; choose another name for yours")
    texts = dict(call.headers)
    for key, value in call.baggage.items():
        texts[BAGGAGE + key] = value
    texts[CALLER] = call.caller
    if call.deadline is not None:
        # Rounded up and never 0, as TChannel's ttl is told.
        texts[TIMEOUT] = str(max(1, int((call.deadline - now) * 1000 + 0.999)))
    if call.trace is not None:
        texts[TRACE] = call.trace.to_traceparent()
    return texts
