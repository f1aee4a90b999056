"""What does not fit the contract is refused, both ways, with its path and in words; never another exception."""

from __future__ import annotations

import enum
import math
import struct
from typing import Any

import pytest

from mesh.contract.codec import CodecError, codec_of
from mesh.contract.loader import load_texts
from tests.contract.codec import samples
from tests.contract.codec.everything import types

Point, Node, Choice = types.Point, types.Node, types.Choice


def field(code: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">Bh", code, number) + body


def text(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def i32(value: int) -> bytes:
    return struct.pack(">i", value)


def refused_encoding(value: Any) -> str:
    with pytest.raises(CodecError) as caught:
        codec_of(type(value)).encode(value)
    return str(caught.value)


def refused_decoding(cls: Any, data: bytes) -> str:
    with pytest.raises(CodecError) as caught:
        codec_of(cls).decode(data)
    return str(caught.value)


UNSENDABLE = [
    ("flag", 1, "expected bool, got int"),
    ("flag", "yes", "expected bool, got string"),
    ("tiny", 128, "must be from -128 to 127"),
    ("tiny", True, "expected int, got bool"),
    ("small", -32769, "must be from -32768 to 32767"),
    ("middle", 1 << 31, "must be from -2147483648 to 2147483647"),
    ("middle", 1.0, "expected int, got double"),
    ("middle", "1", "expected int, got string"),
    ("big", 1 << 63, "must be from -9223372036854775808 to 9223372036854775807"),
    ("big", 1 << 200, "must be from -9223372036854775808 to 9223372036854775807"),
    ("real", "1.0", "expected double, got string"),
    ("real", True, "expected double, got bool"),
    ("real", 10**400, "the integer is too large for a double"),
    ("text", b"bytes", "expected string, got binary"),
    ("text", "a\ud800", "a lone surrogate cannot be sent as UTF-8"),
    ("raw", "text", "expected binary, got string"),
    ("raw", [1, 2], "expected binary, got list"),
    ("color", 3, "3 is not a value of Color (RED=1, GREEN=2, BLUE=7, DARK=-3)"),
    ("color", True, "expected int, got bool"),
    pytest.param("color", 10**5000, "a huge number is not a value of Color (RED=1, GREEN=2, BLUE=7, DARK=-3)", id="x"),
]


@pytest.mark.parametrize(("name", "value", "reason"), UNSENDABLE)
@pytest.mark.parametrize("rest", [samples.scalars, types.Scalars], ids=["all set", "alone"])
def test_a_value_of_another_type_is_not_sent(rest: Any, name: str, value: Any, reason: str) -> None:
    scalars = rest()
    setattr(scalars, name, value)
    assert refused_encoding(scalars) == f"Scalars.{name}: {reason}"


UNSENDABLE_CONTAINERS = [
    ({"flags": [True, 1]}, "flags[1]: expected bool, got int"),
    ({"tinies": [1, 200]}, "tinies[1]: must be from -128 to 127"),
    ({"kms": [1, 2, 1 << 31]}, "kms[2]: must be from -2147483648 to 2147483647"),
    ({"kms": [1, True]}, "kms[1]: expected int, got bool"),
    ({"kms": 5}, "kms: expected list<i32>, got int"),
    ({"kms": {1, 2}}, "kms: expected list<i32>, got set"),
    ({"reals": [1.0, None]}, "reals[1]: expected double, got nothing"),
    ({"words": ["a", "b", 3]}, "words[2]: expected string, got int"),
    ({"words": ["a", "\udfff"]}, "words[1]: a lone surrogate cannot be sent as UTF-8"),
    ({"words": "abc"}, "words: expected list<string>, got string"),
    ({"raws": [b"", ""]}, "raws[1]: expected binary, got string"),
    ({"colors": [1, 3]}, "colors[1]: 3 is not a value of Color (RED=1, GREEN=2, BLUE=7, DARK=-3)"),
    ({"points": [Point(1.0, 1.0), Point(1.0, "x")]}, "points[1].lon: expected double, got string"),
    ({"points": [Point(1.0)]}, "points[0].lon: required, but missing"),
    ({"points": [{"lat": 1.0, "lon": 1.0}]}, "points[0]: expected Point, got map"),
    ({"points": [None]}, "points[0]: expected Point, got nothing"),
    ({"int_set": [1]}, "int_set: expected set<i32>, got list"),
    ({"counts": {"a": 1, "b": "x"}}, "counts[entry 1]: expected int, got string"),
    ({"counts": {"a": 1, 2: 2}}, "counts[entry 1]: expected string, got int"),
    ({"counts": {"a": 1 << 31}}, "counts[entry 0]: must be from -2147483648 to 2147483647"),
    ({"counts": [("a", 1)]}, "counts: expected map<string, i32>, got list"),
    ({"routes": {1: [Point(0.0, 0.0)], 2: [Point()]}}, "routes[entry 1][0].lat: required, but missing"),
    ({"deep_map": {3: {}}}, "deep_map[entry 0]: 3 is not a value of Color (RED=1, GREEN=2, BLUE=7, DARK=-3)"),
    ({"cube": [[[1]], [[1], ["x"]]]}, "cube[1][1][0]: expected int, got string"),
    ({"cube": [[[1]], ([1], ("x",))]}, "cube[1][1][0]: expected int, got string"),
    ({"sixfold": [[[[[["a", 1]]]]]]}, "sixfold[0][0][0][0][0][1]: expected string, got int"),
    ({"points": [Point(1.0, 2.0), Choice(number=1)]}, "points[1]: expected Point, got Choice"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "reason"), UNSENDABLE_CONTAINERS)
@pytest.mark.parametrize("rest", [samples.containers, types.Containers], ids=["all set", "alone"])
def test_a_container_that_holds_something_else_is_not_sent(rest: Any, given: dict[str, Any], reason: str) -> None:
    value = rest()
    for name, held in given.items():
        setattr(value, name, held)
    assert refused_encoding(value) == f"Containers.{reason}"


def test_paths_go_through_every_level() -> None:
    value = types.Nested(node=Node(children=[Node(), Node(named={"k": Node(children=[Node(note=5)])})]))
    assert (
        refused_encoding(value) == "Nested.node.children[1].named[entry 0].children[0].note: expected string, got int"
    )
    with pytest.raises(CodecError) as caught:
        codec_of(types.Nested).encode(value)
    assert caught.value.path == "Nested.node.children[1].named[entry 0].children[0].note"
    assert caught.value.reason == "expected string, got int"


def test_another_object_than_the_struct_is_not_sent() -> None:
    for other in (None, 5, {}, Node()):
        with pytest.raises(CodecError, match="^Point: expected Point, got "):
            codec_of(Point).encode(other)


def test_a_deleted_field_is_named() -> None:
    value = samples.scalars()
    del value.real
    assert refused_encoding(value) == "Scalars: 'Scalars' object has no attribute 'real'"


class Level(enum.IntEnum):
    RED = 1


class Word(enum.StrEnum):
    W = "w"


def test_what_means_the_same_is_sent() -> None:
    class MyList(list[Any]):
        pass

    class MyDict(dict[Any, Any]):
        pass

    scalars = types.Scalars(real=3, text=Word.W, raw=bytearray(b"ab"), color=Level.RED, middle=Level.RED)
    decoded = codec_of(types.Scalars).decode(codec_of(types.Scalars).encode(scalars))
    assert decoded == types.Scalars(real=3.0, text="w", raw=b"ab", color=1, middle=1)
    assert type(decoded.real) is float
    held = types.Containers(
        kms=(1, Level.RED), reals=[1, 2.5], raws=[memoryview(b"x")], words=MyList([Word.W]), int_set=frozenset({1}),
        counts=MyDict({Word.W: Level.RED}), cube=(([1], (2,)),), points=(Point(1, 2),),
    )  # fmt: skip
    assert codec_of(types.Containers).decode(codec_of(types.Containers).encode(held)) == types.Containers(
        kms=[1, 1], reals=[1.0, 2.5], raws=[b"x"], words=["w"], int_set={1}, counts={"w": 1}, cube=[[[1], [2]]],
        points=[Point(1.0, 2.0)],
    )  # fmt: skip


@pytest.mark.parametrize("arms", [{}, {"number": 1, "text": "a"}])
def test_a_union_is_sent_with_exactly_one_arm(arms: dict[str, Any]) -> None:
    assert "a union has exactly one of number, text, point, words" in refused_encoding(Choice(**arms))


GOOD_POINT = field(4, 1, bytes(8)) + field(4, 2, bytes(8)) + b"\x00"

UNREADABLE: list[tuple[Any, bytes, str]] = [
    (types.Scalars, b"", "Scalars: the bytes end too early"),
    (types.Scalars, field(2, 1, b"\x02") + b"\x00", "Scalars.flag: expected bool 0 or 1, got the byte 2"),
    (types.Scalars, field(2, 1, b"\xff") + b"\x00", "Scalars.flag: expected bool 0 or 1, got the byte 255"),
    (types.Scalars, field(11, 6, text(b"1.5")) + b"\x00", "Scalars.real: expected double, got string"),
    (types.Scalars, field(10, 4, bytes(8)) + b"\x00", "Scalars.middle: expected i32, got i64"),
    (types.Scalars, field(99, 4) + b"\x00", "Scalars.middle: expected i32, got unknown type 99"),
    (types.Scalars, field(11, 7, text(b"\xff")) + b"\x00", "Scalars.text: not UTF-8: invalid start byte at byte 0"),
    (types.Scalars, field(11, 7, text(b"\xed\xa0\x80")) + b"\x00", "Scalars.text: not UTF-8"),  # a surrogate
    (types.Scalars, field(11, 7, text(b"\xc0\x80")) + b"\x00", "Scalars.text: not UTF-8"),  # an overlong NUL
    (types.Scalars, field(11, 7, i32(5) + b"abcd"), "Scalars.text: 5 bytes declared, 4 left"),
    (types.Scalars, field(11, 8, i32(-1)) + b"\x00", "Scalars.raw: negative length -1"),
    (types.Scalars, field(8, 9, i32(3)) + b"\x00", "Scalars.color: 3 is not a value of Color"),
    (types.Scalars, field(8, 4, i32(1)) * 2 + b"\x00", "Scalars.middle: the same field twice"),
    (types.Scalars, field(8, 4, i32(1)) + field(8, 10, i32(2)) + field(8, 4, i32(1)) + b"\x00", "the same field twice"),
    (types.Scalars, field(8, -1, i32(1)) + b"\x00", "Scalars.<unknown field -1>: field ids start at 1"),
    (types.Scalars, field(15, 99, b"\x08" + i32(5)) + b"\x00", "unknown field 99>: 5 elements declared, 1 bytes left"),
    (types.Scalars, field(11, 99, i32(5)) + b"\x00", "Scalars.<unknown field 99>: 5 bytes declared, 1 left"),
    (types.Scalars, field(11, 99, i32(-2)) + b"\x00", "Scalars.<unknown field 99>: negative length -2"),
    (types.Scalars, field(10, 99) + b"\x00\x00", "Scalars.<unknown field 99>: 8 bytes declared, 2 left"),
    (types.Scalars, b"\x00\x00", "Scalars: 1 bytes behind the end"),
    (types.Scalars, field(8, 99, i32(1)) + b"\x00\x00\x00", "Scalars: 2 bytes behind the end"),
    (types.Point, field(4, 1, bytes(8)) + b"\x00", "Point.lon: required, but missing"),
    (types.Point, field(4, 2, bytes(8)) + b"\x00", "Point.lat: required, but missing"),
    (types.Nested, field(12, 2, field(8, 1, i32(1)) + b"\x00") + b"\x00", "Nested.options.tail: required, but missing"),
    (types.Nested, field(12, 3, b"\x00") + b"\x00", "Nested.choice: a union has exactly one of"),
    (Choice, b"\x00", "Choice: a union has exactly one of number, text, point, words; set: none"),
    (Choice, field(8, 1, i32(1)) + field(11, 2, text(b"a")) + b"\x00", "; set: number and text"),
    (Choice, field(11, 2, text(b"a")) + field(8, 1, i32(1)) + b"\x00", "; set: number and text"),
    (Choice, field(8, 77, i32(1)) + b"\x00", "; set: none"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "data", "reason"), UNREADABLE)
def test_bytes_that_do_not_fit_are_refused(cls: Any, data: bytes, reason: str) -> None:
    assert reason in refused_decoding(cls, data)


# Wire type and number of a field of Containers, its bytes (the struct's stop byte comes behind them), the error.
UNREADABLE_CONTAINERS: list[tuple[int, int, bytes, str]] = [
    (15, 4, b"\x0a" + i32(0), "kms: expected list<i32>, got elements of i64"),
    (14, 4, b"\x08" + i32(0), "kms: expected list<i32>, got set"),
    (15, 4, b"\x08" + i32(-1), "kms: negative size -1"),
    (15, 4, b"\x08" + i32(2) + bytes(6), "kms: 2 elements declared, 7 bytes left"),
    (15, 1, b"\x02" + i32(3) + b"\x00\x01\x02", "flags[2]: expected bool 0 or 1, got the byte 2"),
    (15, 7, b"\x0b" + i32(2) + text(b"a") + text(b"\xff"), "words[1]: not UTF-8: invalid start byte at byte 0"),
    (15, 9, b"\x08" + i32(2) + i32(1) + i32(3), "colors[1]: 3 is not a value of Color"),
    (15, 10, b"\x0c" + i32(2) + GOOD_POINT + b"\x00", "points[1].lat: required, but missing"),
    (14, 11, b"\x08" + i32(2) + i32(1) * 2, "int_set: the same element twice"),
    (13, 20, b"\x0b\x08" + i32(2) + (text(b"a") + i32(1)) * 2, "counts: the same key twice"),
    (13, 20, b"\x0b\x0a" + i32(0), "counts: expected map<string, i32>, got elements of string and i64"),
    (13, 20, b"\x0b\x08" + i32(2) + text(b"a") + i32(1) + text(b"\xff") + i32(1), "counts[entry 1]: not UTF-8"),
    (13, 22, b"\x08\x0d" + i32(1) + i32(4) + b"\x0b\x0b" + i32(0), "deep_map[entry 0]: 4 is not a value of Color"),
    (15, 30, b"\x0f" + i32(1) + b"\x0f" + i32(1) + b"\x0a" + i32(0), "cube[0][0]: expected list<i32>, got elements"),
]


@pytest.mark.parametrize(("code", "number", "body", "reason"), UNREADABLE_CONTAINERS)
def test_containers_that_do_not_fit_are_refused(code: int, number: int, body: bytes, reason: str) -> None:
    data = field(code, number, body) + b"\x00"
    assert refused_decoding(types.Containers, data).startswith(f"Containers.{reason}")


def test_what_is_no_bytes_is_refused() -> None:
    for other in (1, "text", None, [0]):
        with pytest.raises(CodecError, match="^Scalars: expected binary, got "):
            codec_of(types.Scalars).decode(other)  # type: ignore[arg-type]


def test_the_same_class_of_another_load_is_told_apart() -> None:
    other: Any = load_texts({"twin.thrift": "struct Point { 1: double lat, 2: double lon }"}, "twin.thrift").module
    value = types.Containers(points=[other.Point(1.0, 2.0)])
    assert refused_encoding(value) == "Containers.points[0]: expected this contract's Point, got one of twin"


def test_bytes_may_come_in_any_buffer() -> None:
    data = codec_of(types.Scalars).encode(samples.scalars())
    for buffer in (bytearray(data), memoryview(data), memoryview(b"x" + data)[1:]):
        assert codec_of(types.Scalars).decode(buffer) == samples.scalars()  # type: ignore[arg-type]


BOUNDS = [
    ("share", 1.5, "must be from 0 to 1"),
    ("share", -0.1, "must be from 0 to 1"),
    ("share", math.nan, "must be from 0 to 1"),
    ("count", -6, "must be at least -5"),
    ("low", 11, "must be at most 10"),
    ("code", "ABCDE", "longer than max_length 4: 5"),
    ("code", "AB1", "does not match the pattern [A-Z]+"),
    ("code", "AB\n", "does not match the pattern [A-Z]+"),
    ("raw", b"1234", "longer than max_length 3: 4"),
    ("few", [1, 2, 3], "longer than max_length 2: 3"),
    ("secret", 10, "must be from 1 to 9"),
    ("pairs", {"a": 1, "b": 2}, "longer than max_length 1: 2"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BOUNDS)
def test_constraints_hold_on_both_sides(name: str, value: Any, reason: str) -> None:
    assert refused_encoding(types.Bounded(**{name: value})) == f"Bounded.{name}: {reason}"
    slots = codec_of(types.Bounded)._shape.slots
    (slot,) = (slot for slot in slots if slot.name == name)
    # The bytes of the bad value, as a peer without the constraint sends them.
    loose = {"share": "real", "count": "middle", "low": "big", "code": "text", "raw": "raw", "secret": "middle"}
    if name in loose:
        body = codec_of(types.Scalars).encode(types.Scalars(**{loose[name]: value}))[3:]
    else:
        container = {"few": "kms", "pairs": "counts"}[name]
        body = codec_of(types.Containers).encode(types.Containers(**{container: value}))[3:]
    assert refused_decoding(types.Bounded, slot.header + body) == f"Bounded.{name}: {reason}"


def test_constraints_let_their_ends_pass() -> None:
    value = types.Bounded(1.0, -5, 10, "ABCD", b"123", [1, 2], 9, {"a": 1})
    assert codec_of(types.Bounded).decode(codec_of(types.Bounded).encode(value)) == value
    assert codec_of(types.Bounded).decode(codec_of(types.Bounded).encode(types.Bounded(0))) == types.Bounded(0.0)
