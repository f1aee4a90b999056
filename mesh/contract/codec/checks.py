"""What generated code calls when a value is not plainly what the contract says.

The generated functions test for the exact type (`type(x) is int`) and come here for the rest: a subclass that means the
same is converted, everything else is a `CodecError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Never

from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.types import MAX_DEPTH, range_of

# What may come out of generated code's own reads and writes; `located` makes a CodecError of each of them.
# RecursionError: our depth limit lies far below Python's, but the caller may have used that one up already.
# AttributeError: a field that somebody deleted from an object.
READ_PROBLEMS = (CodecError, struct.error, UnicodeError, IndexError, RecursionError)
WRITE_PROBLEMS = (CodecError, struct.error, UnicodeError, AttributeError, RecursionError)
PLACED = (CodecError, AttributeError, RecursionError)  # what the fast encoder knows the place of
UNPLACED = (struct.error, UnicodeError)  # it does not; the careful one finds it

length_of = struct.Struct(">i").pack  # signed, as on the wire: 2 GiB is the end
LENGTHS = tuple(map(length_of, range(256)))
_WORDS = {
    bool: "bool", int: "int", float: "double", str: "string", bytes: "binary", list: "list", dict: "map", set: "set",
}  # fmt: skip
_SHOWN = 12  # values of an enum in a message: enough to see a typing error, not enough to fill a screen
_INT_TYPES = {int}
_FLOAT_TYPES = {float}
_BOOL_TYPES = {bool}


def located(problem: Exception, step: str | None) -> CodecError:
    """`problem` as a CodecError below `step` (None: the struct itself)."""
    if isinstance(problem, CodecError):
        error = problem
    elif isinstance(problem, UnicodeDecodeError):
        error = CodecError(f"not UTF-8: {problem.reason} at byte {problem.start}")
    elif isinstance(problem, UnicodeError):
        error = CodecError("a lone surrogate cannot be sent as UTF-8")
    elif isinstance(problem, RecursionError):
        error = CodecError("nested deeper than Python's stack allows here")
    elif isinstance(problem, AttributeError):
        error = CodecError(str(problem))
    else:
        error = CodecError("the bytes end too early")
    return error.under(step) if step is not None else error


def unwritable(problem: Exception, step: str | None) -> CodecError:
    """As `located`, for encoding: numbers are in range when they are packed, so `struct.error` speaks of a length."""
    if isinstance(problem, struct.error):
        problem = CodecError(f"longer than the wire's sizes allow ({(1 << 31) - 1})")
    return located(problem, step)


def expected(what: str, value: Any) -> CodecError:
    got = "nothing" if value is None else _WORDS.get(type(value), type(value).__name__)
    return CodecError(f"expected {what}, got {got}")


def too_deep() -> CodecError:
    return CodecError(f"structs nested deeper than {MAX_DEPTH}: recursive data, or a cycle")


def absent() -> CodecError:
    return CodecError("required, but missing")


def missing(names: tuple[str, ...], values: tuple[Any, ...]) -> CodecError:
    """For the first of `names` whose value is None."""
    return absent().under(next(name for name, value in zip(names, values, strict=True) if value is None))


def not_one_arm(names: tuple[str, ...], values: tuple[Any, ...]) -> CodecError:
    there = [name for name, value in zip(names, values, strict=True) if value is not None]
    held = " and ".join(there) if there else "none"
    return CodecError(f"a union has exactly one of {', '.join(names)}; set: {held}")


def as_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # an IntEnum's member, say
    raise expected("int", value)


def in_range(value: Any, letter: str) -> int:
    """`value` as an integer of struct's `letter`."""
    if type(value) is not int:
        value = as_int(value)
    low, high = range_of(letter)
    if not low <= value <= high:
        raise out_of_range(letter)
    return int(value)


def out_of_range(letter: str) -> CodecError:
    low, high = range_of(letter)
    return CodecError(f"must be from {low} to {high}")


def as_double(value: Any) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise CodecError("the integer is too large for a double") from None
    raise expected("double", value)


def as_bool(value: Any) -> Never:
    raise expected("bool", value)


def as_text(value: Any) -> str:
    if isinstance(value, str):
        str.encode(value)  # fails here, while `place` can still find the value
        return str.__str__(value)  # a StrEnum's member, say; not its own idea of str()
    raise expected("string", value)


def as_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise expected("binary", value)


def as_list(value: Any, what: str) -> Any:
    """Containers and structs are handed on as they are: `place` finds them by identity."""
    if isinstance(value, (list, tuple)):
        return value
    raise expected(what, value)


def as_set(value: Any, what: str) -> Any:
    if isinstance(value, (set, frozenset)):
        return value
    raise expected(what, value)


def as_map(value: Any, what: str) -> Any:
    if isinstance(value, dict):
        return value
    raise expected(what, value)


def as_struct(value: Any, cls: type) -> Any:
    if isinstance(value, cls):
        return value
    if type(value).__name__ == cls.__name__:
        raise CodecError(f"expected this contract's {cls.__name__}, got one of {type(value).__module__}")
    raise expected(cls.__name__, value)


def wrong_count(expected: int, got: int) -> CodecError:
    return CodecError(f"takes {expected} arguments, got {got}")


def bad_bool(byte: int) -> CodecError:
    return CodecError(f"expected bool 0 or 1, got the byte {byte}")


def bad_enum(cls: Any, value: int) -> CodecError:
    names = [f"{name}={number}" for number, name in cls._VALUES_TO_NAMES.items()]
    known = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    shown = str(value) if value.bit_length() < 64 else "a huge number"  # Python refuses to print the largest
    return CodecError(f"{shown} is not a value of {cls.__name__} ({known})")


def out_of_bounds(low: Any, high: Any) -> CodecError:
    """The message has no value: the field may be personal data."""
    least, most = str(low).removesuffix(".0"), str(high).removesuffix(".0")
    if low is not None and high is not None:
        return CodecError(f"must be from {least} to {most}")
    return CodecError(f"must be at least {least}" if high is None else f"must be at most {most}")


def too_long(limit: int, size: int) -> CodecError:
    return CodecError(f"longer than max_length {limit}: {size}")


def no_match(pattern: str) -> CodecError:
    return CodecError(f"does not match the pattern {pattern}")


def twice(what: str) -> CodecError:
    return CodecError(f"the same {what} twice")


def place(values: Iterable[Any], value: Any, word: str = "") -> str:
    """The index step of the first element (key of a map) that is `value` itself.

    An element that fails would have failed at its first place too, so encoders need not count as they go.
    """
    index = next((index for index, item in enumerate(values) if item is value), "?")
    return f"[{word}{index}]"


def pack_ints(values: Any, letter: str) -> bytes:
    """A container's integers in one go. Raises `CodecError` below the index of the first that does not fit."""
    if _INT_TYPES.issuperset(map(type, values)):
        try:
            return struct.pack(f">{len(values)}{letter}", *values)
        except struct.error:
            pass  # one is out of range: find out which
    return struct.pack(f">{len(values)}{letter}", *_each(values, in_range, letter))


def pack_enums(values: Any, cls: Any, known: frozenset[int]) -> bytes:
    packed = pack_ints(values, "i")
    if not known.issuperset(values):
        _each(values, _enum, cls, known)
    return packed


def pack_doubles(values: Any) -> bytes:
    if not _FLOAT_TYPES.issuperset(map(type, values)):
        values = _each(values, as_double)
    return struct.pack(f">{len(values)}d", *values)


def pack_bools(values: Any) -> bytes:
    if not _BOOL_TYPES.issuperset(map(type, values)):
        _each(values, _bool)
    return bytes(values)


def unpack_bools(data: bytes) -> list[bool]:
    if data.strip(b"\x00\x01"):
        index, byte = next((i, b) for i, b in enumerate(data) if b > 1)
        raise bad_bool(byte).under(f"[{index}]")
    return [byte == 1 for byte in data]


def check_enums(values: list[int], cls: Any, known: frozenset[int]) -> None:
    if not known.issuperset(values):
        _each(values, _enum, cls, known)


def _enum(value: int, cls: Any, known: frozenset[int]) -> None:
    if value not in known:
        raise bad_enum(cls, value)


def _bool(value: Any) -> None:
    if type(value) is not bool:
        raise expected("bool", value)


def _each(values: Any, check: Any, *more: Any) -> list[Any]:
    done = []
    for index, value in enumerate(values):
        try:
            done.append(check(value, *more))
        except CodecError as error:
            raise error.under(f"[{index}]") from None
    return done
