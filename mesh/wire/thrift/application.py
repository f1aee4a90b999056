"""TApplicationException: what a server answers in place of a result, `struct { 1: string message, 2: i32 type }`.

One rule: a number that is not in the list stays the number that it is; servers of other makes have more of them.
"""

from __future__ import annotations

import enum
import struct

from mesh.wire.thrift.limits import MAX_TEXT_BYTES

_TEXT = struct.Struct(">Bhi")
_NUMBER = struct.Struct(">Bhi")
_STRING, _I32, _STOP = 11, 8, 0


class Type(enum.IntEnum):
    """Apache's, in its order; 11 and 12 are fbthrift's, which we read and do not send."""

    UNKNOWN = 0
    UNKNOWN_METHOD = 1
    INVALID_MESSAGE_TYPE = 2
    WRONG_METHOD_NAME = 3
    BAD_SEQUENCE_ID = 4
    MISSING_RESULT = 5
    INTERNAL_ERROR = 6
    PROTOCOL_ERROR = 7
    INVALID_TRANSFORM = 8
    INVALID_PROTOCOL = 9
    UNSUPPORTED_CLIENT_TYPE = 10
    LOADSHEDDING = 11
    TIMEOUT = 12


class ApplicationException:
    """Plain data: `type` as it stands in the message, `message` for people."""

    __slots__ = ("message", "type")

    def __init__(self, type: int, message: str) -> None:
        self.type = type
        self.message = message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApplicationException) and (self.type, self.message) == (other.type, other.message)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ApplicationException({self.type}, {self.message!r})"


def write(error: ApplicationException) -> bytes:
    """The struct's bytes; a message that is too long is cut."""
    text = error.message.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
    return b"".join((_TEXT.pack(_STRING, 1, len(text)), text, _NUMBER.pack(_I32, 2, error.type), bytes((_STOP,))))


def read(body: bytes) -> ApplicationException:
    """What can be read of it: a failure that is told badly is the same failure. Never raises."""
    kind: int = Type.UNKNOWN
    message = ""
    at = 0
    try:
        while body[at] != _STOP:
            field, number, value = _TEXT.unpack_from(body, at)
            at += _TEXT.size
            if field == _STRING:
                if not 0 <= value <= len(body) - at:
                    break
                if number == 1:
                    message = body[at : at + min(value, MAX_TEXT_BYTES)].decode("utf-8", "replace")
                at += value
            elif field == _I32:
                kind = value if number == 2 else kind
            else:
                break  # a field that this protocol does not have: what stands behind it cannot be found
    except (struct.error, IndexError):
        pass
    return ApplicationException(kind, message)
