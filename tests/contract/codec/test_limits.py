"""Hostile sizes and depths cost no more than the bytes that carry them."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest

from mesh.contract.codec import CodecError, codec_of
from tests.contract.codec import apache
from tests.contract.codec.everything import types

MEMORY_LIMIT = 64 * 1024  # bytes; what a refusal may allocate, whatever a size says


def i32(value: int) -> bytes:
    return struct.pack(">I", value & 0xFFFFFFFF)


def field(code: int, number: int) -> bytes:
    return struct.pack(">Bh", code, number)


HUGE = 0x7FFFFFFF
# The types that known and unknown containers may declare; 0, 1 and 5 are those of no width that hang other libraries.
BOMBS: dict[str, tuple[Any, bytes]] = {
    "list of numbers": (types.Containers, field(15, 4) + b"\x08" + i32(HUGE)),
    "list of bools": (types.Containers, field(15, 1) + b"\x02" + i32(HUGE)),
    "list of strings": (types.Containers, field(15, 7) + b"\x0b" + i32(HUGE)),
    "list of empty structs": (types.Containers, field(15, 34) + b"\x0c" + i32(HUGE)),
    "list of lists": (types.Containers, field(15, 30) + b"\x0f" + i32(HUGE)),
    "set": (types.Containers, field(14, 11) + b"\x08" + i32(HUGE)),
    "map": (types.Containers, field(13, 20) + b"\x0b\x08" + i32(HUGE)),
    "string": (types.Scalars, field(11, 7) + i32(HUGE)),
    "binary": (types.Scalars, field(11, 8) + i32(HUGE)),
    "unknown string": (types.Scalars, field(11, 99) + i32(HUGE)),
    "unknown map to nothing": (types.Scalars, field(13, 99) + b"\x08\x00" + i32(HUGE)),
}
for _code in range(20):
    BOMBS[f"unknown list of type {_code}"] = (types.Scalars, field(15, 99) + bytes((_code,)) + i32(HUGE))
    BOMBS[f"unknown map of type {_code}"] = (types.Scalars, field(13, 99) + bytes((_code, 2)) + i32(HUGE))


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("padding", [0, 20, 200])
def test_a_declared_size_allocates_nothing(bomb: str, padding: int) -> None:
    cls, data = BOMBS[bomb]
    data += bytes(padding)
    with pytest.raises(CodecError):
        codec_of(cls).decode(data)
    tracemalloc.start()
    with pytest.raises(CodecError):
        codec_of(cls).decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY_LIMIT


@pytest.mark.parametrize("code", sorted({*range(1, 256)} - {2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16}))
def test_an_unknown_type_code_is_refused(code: int) -> None:
    with pytest.raises(CodecError, match=f"type code {code} is not one of Thrift's"):
        codec_of(types.Scalars).decode(field(code, 99) + bytes(32))
    with pytest.raises(CodecError, match=f"a container of type code {code}"):
        codec_of(types.Scalars).decode(field(15, 99) + bytes((code,)) + i32(0) + b"\x00")


def nodes(depth: int) -> Any:
    """A chain of `depth` nodes."""
    made = types.Node()
    for _ in range(depth - 1):
        made = types.Node(after=made)
    return made


def test_recursive_structs_go_as_deep_as_apaches_both_ways() -> None:
    codec = codec_of(types.Node)
    deepest = codec.encode(nodes(64))
    assert deepest == apache.encode(types.Node, nodes(64))
    assert codec.decode(deepest) == nodes(64)
    with pytest.raises(CodecError, match="structs nested deeper than 64") as caught:
        codec.encode(nodes(65))
    assert caught.value.path == "Node" + ".after" * 64
    too_deep = field(12, 1) * 64 + b"\x00" * 65
    with pytest.raises(CodecError, match="structs nested deeper than 64"):
        codec.decode(too_deep)
    with pytest.raises(CodecError, match="structs nested deeper than 64"):
        codec.decode(field(12, 1) * 500_000)


def test_a_cycle_is_refused() -> None:
    node = types.Node()
    node.children = [node]
    with pytest.raises(CodecError, match="recursive data, or a cycle"):
        codec_of(types.Node).encode(node)


def test_chains_cost_no_more_than_their_length_when_fields_are_missing_or_unknown() -> None:
    """Each level leaves `note` out and has an unknown field behind: a generator that starts a level again for that
    would need 2**60 steps here."""
    data = field(12, 1) * 60 + b"\x00" + (field(2, 99) + b"\x01\x00") * 60
    decoded = codec_of(types.Node).decode(data)
    assert decoded == nodes(61)
    assert codec_of(types.Node).encode(decoded) == codec_of(types.Node).encode(nodes(61))
    bad = nodes(61)
    deepest = bad
    while deepest.after is not None:
        deepest.note = "x"
        deepest.children, deepest.named = [], {}
        deepest = deepest.after
    deepest.note = "\ud800"
    with pytest.raises(CodecError, match="lone surrogate"):
        codec_of(types.Node).encode(bad)


@pytest.mark.parametrize("code", [12, 13, 14, 15])
def test_unknown_values_are_skipped_to_a_bounded_depth(code: int) -> None:
    opening = {
        12: field(12, 1),
        13: b"\x08\x0d" + i32(1) + i32(0),
        14: b"\x0e" + i32(1),
        15: b"\x0f" + i32(1),
    }[code]
    ending = {12: b"\x00", 13: b"\x08\x08" + i32(0), 14: b"\x08" + i32(0), 15: b"\x08" + i32(0)}[code]

    def message(depth: int) -> bytes:
        closing = b"\x00" * depth if code == 12 else b"\x00"
        return field(code, 99) + opening * (depth - 1) + ending + closing

    # The message's own struct counts as one level of the 64.
    assert codec_of(types.Scalars).decode(message(63)) == types.Scalars()
    for fast in (False, True):
        apache.decode(types.Scalars, message(63), fast)
    for depth in (64, 1_000, 200_000):
        with pytest.raises(CodecError, match="nested deeper than 64 levels"):
            codec_of(types.Scalars).decode(message(depth))


def test_skipping_is_linear_in_the_bytes() -> None:
    """A megabyte of the smallest unknown elements passes; the suite's timeout says whether that took a loop each."""
    size = 1 << 20
    data = field(15, 99) + b"\x02" + i32(size) + bytes(size) + b"\x00"
    assert codec_of(types.Scalars).decode(data) == types.Scalars()


def test_no_frames_left_is_a_codec_error_too() -> None:
    """Python's recursion limit belongs to the caller; what is left of it may be less than 64 structs need."""
    data, value = codec_of(types.Node).encode(nodes(60)), nodes(60)
    codec_of(types.Node).decode(data)
    outcomes = set()

    def near_the_limit(work: Any) -> None:
        try:
            near_the_limit(work)
        except RecursionError:
            try:
                outcomes.add(type(work()))
            except CodecError as error:
                outcomes.add(type(error))

    near_the_limit(lambda: codec_of(types.Node).decode(data))
    near_the_limit(lambda: codec_of(types.Node).encode(value))
    assert CodecError in outcomes
    assert outcomes <= {CodecError, types.Node, bytes}
