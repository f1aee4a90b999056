"""TChannel v2 without I/O: bytes to frames, messages and events, and back."""

from mesh.wire.checksum import Checksum
from mesh.wire.connection import Connection
from mesh.wire.events import (
    CallExpired,
    CallReceived,
    CancelReceived,
    ConnectionClosed,
    DrainReceived,
    ErrorReceived,
    Event,
    HandshakeDone,
    PongReceived,
    ResponseReceived,
)
from mesh.wire.faults import CallRefused, HeaderError, ResponseTooLarge
from mesh.wire.handshake import Identity, PeerInfo
from mesh.wire.headers import decode_headers, encode_headers
from mesh.wire.limits import Limits
from mesh.wire.transport import encode_transport_headers

__all__ = [
    "CallExpired", "CallReceived", "CallRefused", "CancelReceived", "Checksum", "Connection", "ConnectionClosed",
    "DrainReceived", "ErrorReceived", "Event", "HandshakeDone", "HeaderError", "Identity", "Limits", "PeerInfo",
    "PongReceived", "ResponseReceived", "ResponseTooLarge", "decode_headers", "encode_headers",
    "encode_transport_headers",
]  # fmt: skip
