"""Unsigned numbers in groups of seven bits, the lowest first, and texts with such a length in front."""

from __future__ import annotations

from mesh.wire.thrift.limits import MAX_VARINT_BYTES


def read(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at `at`, and where it ends. Raises ValueError when it does not fit 32 bits or passes `end`."""
    value = 0
    for count in range(MAX_VARINT_BYTES):
        if at + count >= end:
            raise ValueError("a number that does not end")
        byte = data[at + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value > 0xFFFF_FFFF:
                break
            return value, at + count + 1
    raise ValueError("a number of more than 32 bits")


def write(value: int) -> bytes:
    """Raises ValueError for what 32 bits without a sign do not hold."""
    if not 0 <= value <= 0xFFFF_FFFF:
        raise ValueError(f"{value} does not fit 32 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_text(data: bytes, at: int, end: int) -> tuple[str, int]:
    """A UTF-8 text, and where it ends. Raises ValueError (UnicodeDecodeError is one)."""
    length, at = read(data, at, end)
    if length > end - at:
        raise ValueError(f"a text of {length} bytes where {end - at} are left")
    return data[at : at + length].decode(), at + length


def write_text(text: str) -> bytes:
    """Raises ValueError for lone surrogates."""
    data = text.encode()
    return write(len(data)) + data
