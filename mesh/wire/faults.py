"""What can be wrong with bytes, told apart by who has to suffer for it.

One rule: a fault of one message ends that message, a fault of the framing ends the connection, and neither leaves
this package as an exception of `receive`.
"""

from __future__ import annotations

# TChannel's error codes that this package sends or reads by itself; mesh.errors has what they mean to a caller.
TIMEOUT = 0x01
CANCELLED = 0x02
BUSY = 0x03
DECLINED = 0x04
UNEXPECTED = 0x05
BAD_REQUEST = 0x06
NETWORK = 0x07
FATAL = 0xFF


class HeaderError(ValueError):
    """Headers that cannot be written, or bytes that are no headers."""


class ProtocolBreach(Exception):
    """The peer broke a rule that the whole connection stands on: error 0xFF, then close."""


class Refusal(Exception):
    """One message cannot be taken; `code` is what its sender is told. The connection lives on."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WrongChecksum(Refusal):
    """The arguments are not those that were sent."""


class CallRefused(Exception):
    """A call that was not sent; not one byte of it was written.

    `permanent`: it can never be sent, anywhere (too long, bad headers). Otherwise another connection may take it.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class ResponseTooLarge(Exception):
    """An answer above `Limits.message_bytes`. The caller has been sent error 0x05 in its place."""
