"""Arguments, results and declared exceptions of a method."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings

from mesh.contract.codec import CodecError, codec_of
from tests.contract.codec import apache, samples, strategies
from tests.contract.codec.apache import plain, type_of
from tests.contract.codec.everything import METHODS, types

EVERYTHING, NOTHING, POINTS = (METHODS[name].codec for name in ("everything", "nothing", "points"))
FAILS, NUMBER = METHODS["fails"].codec, METHODS["number"].codec

NESTED = type_of(types.Nested)


def refused(function: Any, *given: Any) -> str:
    with pytest.raises(CodecError) as caught:
        function(*given)
    return str(caught.value)


def field(code: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">Bh", code, number) + body


@settings(max_examples=15)
@given(nested=strategies.structs(types.Nested), word=strategies.values(apache.slots_of(types.Scalars)[6].type))
def test_arguments_are_a_struct_on_the_wire(nested: Any, word: str) -> None:
    encoded = EVERYTHING.encode_args((nested, 7, word))
    held = apache.encode(types.Nested, nested)
    raw = word.encode()
    assert encoded == b"".join(
        (field(12, 1), held, field(8, 2, struct.pack(">i", 7)), field(11, 3, struct.pack(">i", len(raw))), raw, b"\x00")
    )
    again, count, text = EVERYTHING.decode_args(encoded)
    assert plain(NESTED, again) == plain(NESTED, codec_of(types.Nested).decode(held))
    assert (count, text) == (7, word)


def test_arguments_keep_the_order_of_the_text_in_python_and_of_the_ids_on_the_wire() -> None:
    second, first = types.Choice(number=1), types.Point(1.0, 2.0)
    encoded = POINTS.encode_args((second, first))
    assert encoded.startswith(field(12, 1))
    assert POINTS.decode_args(encoded) == (second, first)


def test_missing_arguments_are_none_or_their_default() -> None:
    encoded = EVERYTHING.encode_args((None, None, "w"))
    assert encoded == field(11, 3, b"\x00\x00\x00\x01w") + b"\x00"
    assert EVERYTHING.decode_args(encoded) == (None, 3, "w")
    assert NOTHING.encode_args(()) == b"\x00"
    assert NOTHING.decode_args(b"\x00") == ()


def test_errors_of_arguments_name_the_method() -> None:
    nested = types.Nested(options=types.Options(id=1, tail="t", point=types.Point("x", 1.0)))
    assert (
        refused(EVERYTHING.encode_args, (nested, 1, "w"))
        == "Echo::everything.nested.options.point.lat: expected double, got string"
    )
    assert refused(EVERYTHING.encode_args, (None, 1, None)) == "Echo::everything.word: required, but missing"
    assert refused(EVERYTHING.encode_args, (None, 1)) == "Echo::everything: takes 3 arguments, got 2"
    assert refused(NOTHING.encode_args, (1,)) == "Echo::nothing: takes 0 arguments, got 1"
    assert refused(EVERYTHING.decode_args, b"\x00") == "Echo::everything.word: required, but missing"
    assert refused(EVERYTHING.decode_args, b"") == "Echo::everything: the bytes end too early"
    wrong = field(11, 2, b"\x00\x00\x00\x00") + b"\x00"
    assert refused(EVERYTHING.decode_args, wrong) == "Echo::everything.count: expected i32, got string"
    assert refused(NOTHING.decode_args, b"\x00\x01") == "Echo::nothing: 1 bytes behind the end"


def test_arguments_of_a_newer_caller_are_passed_over() -> None:
    assert NOTHING.decode_args(field(8, 5, bytes(4)) + b"\x00") == ()


@settings(max_examples=15)
@given(nested=strategies.structs(types.Nested))
def test_a_result_is_field_zero(nested: Any) -> None:
    encoded = EVERYTHING.encode_result(nested)
    assert encoded == field(12, 0, apache.encode(types.Nested, nested)) + b"\x00"
    again = codec_of(types.Nested).decode(encoded[3:-1])
    assert plain(NESTED, EVERYTHING.decode_result(encoded)) == plain(NESTED, again)


def test_results_of_plain_types() -> None:
    assert NUMBER.encode_result(0) == field(8, 0, bytes(4)) + b"\x00"
    assert NUMBER.decode_result(NUMBER.encode_result(-1)) == -1
    points = [types.Point(1.0, 2.0), types.Point(3.0, 4.0)]
    assert POINTS.decode_result(POINTS.encode_result(points)) == points
    assert POINTS.decode_result(POINTS.encode_result([])) == []


def test_void_is_one_byte() -> None:
    assert NOTHING.encode_result(None) == b"\x00"
    assert NOTHING.decode_result(b"\x00") is None
    assert refused(NOTHING.encode_result, 5) == "Echo::nothing.result: returns nothing, got int"
    assert refused(NOTHING.decode_result, field(8, 0, bytes(4)) + b"\x00") == (
        "Echo::nothing: field 0 in a reply that says it is a success"
    )


def test_a_success_has_a_result_and_nothing_else() -> None:
    assert refused(NUMBER.encode_result, None) == "Echo::number.result: required, but missing"
    assert refused(NUMBER.encode_result, "1") == "Echo::number.result: expected int, got string"
    assert refused(NUMBER.decode_result, b"\x00") == "Echo::number.result: required, but missing"
    fault = field(12, 4, codec_of(types.Broken).encode(types.Broken("x"))) + b"\x00"
    assert refused(FAILS.decode_result, fault) == "Echo::fails: field 4 in a reply that says it is a success"
    both = field(8, 0, bytes(4)) + field(12, 1, b"\x00") + b"\x00"
    assert refused(NUMBER.decode_result, both) == "Echo::number: field 1 in a reply that says it is a success"
    assert refused(POINTS.encode_result, [types.Point(1.0)]) == "Echo::points.result[0].lon: required, but missing"


class Special(types.Broken):  # type: ignore[misc]
    """A handler's own subclass of a declared exception."""


def test_declared_exceptions_by_type_and_by_base() -> None:
    for error, name, number in (
        (types.Broken("a", 1), "broken", 1),
        (types.Other(2), "other", 2),
        (Special("b", 3), "broken", 1),
    ):
        sent = EVERYTHING.encode_exception(error)
        assert sent is not None
        line, data = sent
        assert (line.name, line.id) == (name, number)
        assert data[:3] == field(12, number)
        got, decoded = EVERYTHING.decode_exception(data)
        assert got is line
        assert (type(decoded), vars(decoded)) == (line.exception, vars(error))
    assert EVERYTHING.encode_exception(ValueError("x")) is None
    assert FAILS.encode_exception(types.Other(1)) is None


def test_an_exception_that_breaks_the_contract_is_not_sent() -> None:
    assert (
        refused(EVERYTHING.encode_exception, types.Broken()) == "Echo::everything.broken.reason: required, but missing"
    )


BROKEN = codec_of(types.Broken).encode(types.Broken("x", 1))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Echo::everything: the bytes end too early"),
        (b"\x00", "Echo::everything: the bytes end too early"),
        (b"\x00\x00\x01", "Echo::everything: a reply with an exception that the method does not declare"),
        (field(12, 0, BROKEN) + b"\x00", "a reply with an exception that the method does not declare"),
        (field(12, 9, BROKEN) + b"\x00", "a reply with an exception that the method does not declare"),
        (field(8, 1, bytes(4)) + b"\x00", "Echo::everything.broken: expected Broken, got i32"),
        (field(12, 1, b"\x00") + b"\x00", "Echo::everything.broken.reason: required, but missing"),
        (field(12, 1, BROKEN), "Echo::everything: the bytes end too early"),
        (field(12, 1, BROKEN) + b"\x00\x00", "Echo::everything: 1 bytes behind the end"),
        (
            field(12, 1, BROKEN) + field(12, 2, b"\x00") + b"\x00",
            "Echo::everything: a reply with more than one exception",
        ),
    ],
)
def test_a_bad_exception_is_refused(data: bytes, reason: str) -> None:
    assert reason in refused(EVERYTHING.decode_exception, data)


def test_no_prefix_of_a_result_or_exception_is_accepted() -> None:
    result = EVERYTHING.encode_result(samples.nested())
    for end in range(len(result)):
        refused(EVERYTHING.decode_result, result[:end])
    sent = EVERYTHING.encode_exception(types.Broken("why", 5))
    assert sent is not None
    for end in range(len(sent[1])):
        refused(EVERYTHING.decode_exception, sent[1][:end])


def test_functions_are_made_once() -> None:
    assert EVERYTHING.encode_args is EVERYTHING.encode_args
    assert EVERYTHING.decode_args is EVERYTHING.decode_args
