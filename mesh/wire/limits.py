"""Every bound of a connection in one place, each with its reason.

One rule: whatever a peer can make grow has a bound here; nothing in mesh.wire grows without asking it.
"""

from __future__ import annotations

from dataclasses import dataclass

# Bounds of the protocol itself: a field's width or the specification's word. They are not for tuning.
MAX_FRAME_BYTES = 65_535  # the size field has two bytes
FRAME_HEAD_BYTES = 16
MAX_ARG1_BYTES = 16_384
MAX_TRANSPORT_HEADERS = 128
MAX_TRANSPORT_KEY_BYTES = 16
MAX_TRANSPORT_VALUE_BYTES = 255  # the length field has one byte
MAX_SERVICE_BYTES = 255  # likewise
MAX_TTL_MS = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection. Bytes, seconds and counts as the names say."""

    # The three arguments of one message together. 8 MiB is what still went through npm tchannel (16 MiB did not);
    # the slack lets a body of exactly 8 MiB bring its method name and headers along.
    message_bytes: int = 8 * 1024 * 1024 + 64 * 1024

    # All half-received messages of one connection together: four of the longest, so that a few large uploads can
    # run side by side while one connection never holds more than about 32 MiB for messages that may not end.
    assembling_bytes: int = 4 * (8 * 1024 * 1024 + 64 * 1024)

    # Half-received messages, however small: each costs about 1 KiB of bookkeeping before its first byte. A caller
    # that multiplexes writes few messages at a time; 1,024 is far above that and stays below 1 MiB.
    assembling_messages: int = 1_024

    # A half-received message is dropped at its ttl, but a ttl may say 49 days. 8 MiB in this time is 70 KiB/s, below
    # what any link between services gives.
    assembling_s: float = 120.0

    # Application headers (arg2). Tracing, baggage and a few tokens take 10 to 20; 16 KiB is what HTTP servers allow
    # for all headers of a request, and a call carries them on every hop.
    headers: int = 128
    headers_bytes: int = 16 * 1024

    # Calls under way per direction. Each holds its arguments and a task, some 5 KiB: 8,192 keep a connection below
    # about 40 MiB and are a hundred times what one core can have in service at a time.
    calls_inbound: int = 8_192
    calls_outbound: int = 8_192

    # From the connect to the end of the handshake. One round trip; Go and Py allow 5 s, and a silent peer must not
    # keep a socket.
    handshake_s: float = 5.0

    # Silence after which a ping asks whether the peer is still there, and how long its answer may take. A host
    # that vanished says nothing for minutes of TCP retransmission. A minute is longer than any sane gap between
    # calls in a busy mesh and short enough to keep NAT tables (often 5 min) alive.
    idle_s: float = 60.0
    pong_s: float = 10.0

    # How long the number of an abandoned call stays known, so that what still comes for it is ignored. Twice the
    # usual longest deadline (15 s); a number is used again only after four thousand million calls.
    tombstone_s: float = 30.0
    # About 100 bytes each, so below 1 MiB a connection even when every call times out.
    tombstones: int = 4_096

    # The longest that a peer's call is kept, whatever its ttl says: 49 days fit into the field, and so does a damaged
    # bit, which no checksum covers. Ten minutes are twenty times what anybody waits for an answer.
    call_s: float = 600.0

    # The server's own expiry comes this much after the ttl. A deadline filter above the wire ends the handler at
    # the ttl and answers itself, with more to say; this is the net below it, so it must lose that race by a little
    # more than a loop's usual jitter.
    expiry_slack_s: float = 0.020
    # Our own calls that nobody abandoned are dropped this long after their ttl. The caller's timer is the one that
    # counts; this one only keeps a forgotten call from living for ever.
    caller_slack_s: float = 1.0

    # The init frame. Real ones have 100 to 300 bytes. Below 4,096 its first byte is under 0x10, which no other
    # protocol's first byte is that could be mistaken for it (see sniff.py).
    init_bytes: int = 4_096
    init_headers: int = 64

    # Unsent bytes at which `net` stops its callers, and at which it lets them go on. The low mark is one full
    # read of the other side's socket buffer, so that the pipe does not run dry while they wake up.
    write_high_bytes: int = 1024 * 1024
    write_low_bytes: int = 256 * 1024


DEFAULT_LIMITS = Limits()
