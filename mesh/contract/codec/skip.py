"""Passing over what the contract does not know: the fields of a newer peer.

One rule: work and depth are bounded by the bytes that are there, never by a size that they declare. Every element of
every type takes at least one byte on the wire, so a declared size above what is left is a lie.
"""

from __future__ import annotations

from struct import Struct

from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.types import LETTERS, LIST, MAP, MAX_DEPTH, MIN_SIZE, SET, STRING, STRUCT, UUID, name_of

_FIXED = {code: MIN_SIZE[code] for code in (*LETTERS, UUID)}
_u4 = Struct(">I").unpack_from
_items = Struct(">BI").unpack_from
_entries = Struct(">BBI").unpack_from


def skip(data: bytes, at: int, end: int, code: int, depth: int) -> int:
    """The offset behind the value of wire type `code` that starts at `at`.

    `depth` counts what the value is inside of. Raises `CodecError`, and `IndexError` or `struct.error` past the end.
    """
    width = _FIXED.get(code)
    if width is not None:
        if width > end - at:
            raise too_short(width, end - at)
        return at + width
    if code == STRING:
        (length,) = _u4(data, at)
        if length > end - at - 4:
            raise too_short(length, end - at - 4)
        return at + 4 + int(length)
    if depth >= MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH} levels")
    if code == STRUCT:
        return _struct(data, at, end, depth + 1)
    if code in (LIST, SET):
        item, count = _items(data, at)
        return _elements(data, at + 5, end, (item,), count, depth + 1)
    if code == MAP:
        key, value, count = _entries(data, at)
        return _elements(data, at + 6, end, (key, value), count, depth + 1)
    raise CodecError(f"type code {code} is not one of Thrift's")


def _struct(data: bytes, at: int, end: int, depth: int) -> int:
    while data[at]:
        at = skip(data, at + 3, end, data[at], depth)
    return at + 1


def _elements(data: bytes, at: int, end: int, codes: tuple[int, ...], count: int, depth: int) -> int:
    least = 0
    for code in codes:
        if code not in MIN_SIZE:
            raise CodecError(f"a container of type code {code}, which is not one of Thrift's")
        least += MIN_SIZE[code]
    if count * least > end - at:
        raise too_many(count, end - at)
    if all(code in _FIXED for code in codes):
        return at + count * least
    for _ in range(count):
        for code in codes:
            at = skip(data, at, end, code, depth)
    return at


def too_short(length: int, left: int) -> CodecError:
    """A declared length (bytes) goes past the end. Negative ones read as huge: the wire's sizes are signed."""
    if length >= 1 << 31:
        return CodecError(f"negative length {length - (1 << 32)}")
    return CodecError(f"{length} bytes declared, {max(left, 0)} left")


def too_many(count: int, left: int) -> CodecError:
    """A declared number of elements cannot be in the bytes that are left."""
    if count >= 1 << 31:
        return CodecError(f"negative size {count - (1 << 32)}")
    return CodecError(f"{count} elements declared, {max(left, 0)} bytes left")


def unfit(expected: str, code: int) -> CodecError:
    """The wire holds another type than the contract says."""
    return CodecError(f"expected {expected}, got {name_of(code)}")


def unfit_items(expected: str, *codes: int) -> CodecError:
    """A container's element types on the wire are not the contract's."""
    return CodecError(f"expected {expected}, got elements of {' and '.join(map(name_of, codes))}")


def unknown_in_result(number: int) -> CodecError:
    """A successful reply has field 0 or nothing; anything else is an exception or another contract."""
    return CodecError(f"field {number} in a reply that says it is a success")


def trailing(left: int) -> CodecError:
    return CodecError(f"{left} bytes behind the end")


def negative_id() -> CodecError:
    """No contract can have such a field, and libraries disagree: Apache's Python takes -1 for the struct's last one."""
    return CodecError("field ids start at 1")
