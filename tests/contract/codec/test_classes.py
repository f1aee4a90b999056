"""Structs as ordinary Python values."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from typing import Any

import pytest

from mesh.contract import load
from mesh.contract.codec import CodecError, codec_of, prepare
from tests.contract.codec import samples
from tests.contract.codec.everything import STRUCTS, types


def test_fields_by_position_and_by_name() -> None:
    point = types.Point(1.0, lon=2.0)
    assert (point.lat, point.lon) == (1.0, 2.0)
    assert [*inspect.signature(types.Point).parameters] == ["lat", "lon"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'alt'"):
        types.Point(alt=3)
    with pytest.raises(TypeError, match="takes from 1 to 3 positional arguments but 4 were given"):
        types.Point(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="multiple values for argument 'lat'"):
        types.Point(1.0, lat=2.0)


@pytest.mark.parametrize("make", [types.Defaults, lambda: codec_of(types.Defaults).decode(b"\x00")])
def test_defaults_are_right_and_fresh(make: Any) -> None:
    one, two = make(), make()
    for made in (one, two):
        assert (made.number, made.text, made.numbers, made.lists) == (5, "x", [1, 2], {"a": ["b"]})
        assert made.point == types.Point(1.5, 2.5)
        assert (made.color, made.real, made.flag, made.words, made.raw) == (7, 3.0, True, {"w"}, b"raw")
        assert made.points == [types.Point(0.5, 1.0)]
        assert (type(made.real), type(made.flag)) == (float, bool)
    one.numbers.append(3)
    one.lists["a"].append("c")
    one.point.lat = 9.0
    one.words.add("v")
    one.points[0].lat = 9.0
    assert two == make() != one


def test_none_said_is_none_kept() -> None:
    assert types.Defaults(numbers=None).numbers is None
    decoded = codec_of(types.Defaults).decode(codec_of(types.Defaults).encode(types.Defaults(numbers=None)))
    assert decoded.numbers == [1, 2]  # not on the wire, so the reader's default, as Apache does


def test_repr_shows_what_is_set_and_masks_personal_data() -> None:
    assert repr(types.Point(1.0, 2.0)) == "Point(lat=1.0, lon=2.0)"
    assert repr(types.Options(id=1, tail="t")) == "Options(id=1, tail='t')"
    broken = types.Broken("the password", 1)
    assert repr(broken) == str(broken) == "Broken(reason=***, code=1)"
    assert "password" not in repr(types.Nested(broken=broken))
    assert "***" not in repr(types.Broken())


def test_a_cycle_has_a_repr() -> None:
    node = types.Node(note="n")
    node.children = [node]
    assert repr(node) == "Node(note='n', children=[...])"


def test_equality_is_by_type_and_value() -> None:
    assert samples.nested() == samples.nested()
    assert (samples.nested() != samples.nested()) is False
    assert types.Point(1.0, 2.0) != types.Point(1.0, 3.0)
    assert types.Node() != types.Nothing()
    assert types.Point(1.0, 2.0) != (1.0, 2.0)
    assert types.Point(1.0, 2.0).__eq__((1.0, 2.0)) is NotImplemented


@pytest.mark.parametrize("value", samples.every(), ids=lambda value: type(value).__name__)
def test_equal_values_hash_alike(value: Any) -> None:
    again = copy.deepcopy(value)
    assert hash(again) == hash(value)
    assert len({value, again}) == (1 if again == value else 2)


def test_exceptions_are_exceptions() -> None:
    error = types.Broken("why", 2)
    with pytest.raises(types.Broken) as caught:
        raise error
    assert caught.value is error
    assert isinstance(error, Exception)
    assert {error: 1}[types.Broken("why", 2)] == 1
    error.add_note("a note is no field")
    assert error == types.Broken("why", 2)
    decoded = codec_of(types.Broken).decode(codec_of(types.Broken).encode(error))
    assert decoded == error
    with pytest.raises(types.Broken):
        raise decoded


def test_copies_and_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, types.Broken.__module__, types)
    for value in (types.Point(1.0, 2.0), types.Broken("why", 2), types.Broken(reason="why")):
        assert copy.copy(value) == value
        assert copy.deepcopy(value) == value
        assert pickle.loads(pickle.dumps(value)) == value


def test_names_that_generated_code_uses_itself() -> None:
    value = types.Names(1, [2], 3, 4, 5, types.Point(1.0, 2.0), 7, 8)
    assert codec_of(types.Names).decode(codec_of(types.Names).encode(value)) == value
    assert codec_of(types.Names).decode(b"\x00") == types.Names() == types.Names(cls=[1])


def test_a_class_of_no_contract_has_no_codec() -> None:
    with pytest.raises(TypeError, match="is not a struct of a loaded contract"):
        codec_of(int)


INT_MAP = (13, (8, 8))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ((99, "lat", False), "type 99 is not one of Thrift's"),
        ((14, "lat", INT_MAP, False), "map<i32, i32> inside a set's element or a map's key"),
        ((13, "lat", (INT_MAP, 8), False), "map<i32, i32> inside a set's element or a map's key"),
        ((14, "lat", (15, (15, INT_MAP)), False), "map<i32, i32> inside a set's element or a map's key"),
    ],
)
def test_a_type_without_a_python_form_is_refused(line: tuple[Any, ...], reason: str) -> None:
    class Foreign:
        thrift_spec = {1: line}  # noqa: RUF012
        default_spec = [("lat", None)]  # noqa: RUF012

    with pytest.raises(CodecError) as caught:
        prepare(Foreign, types.Point.__mesh_fields__[:1], "Foreign")
    assert str(caught.value).startswith(f"Foreign.lat: {reason}")


def test_the_source_of_every_codec_can_be_seen() -> None:
    for cls in STRUCTS.values():
        codec = codec_of(cls)
        for function in (codec.encode, codec.decode, codec.read, codec.write):
            assert inspect.getsource(function).startswith(f"def {function.__name__}(")


def test_defaults_inside_sets_and_keys_can_be_hashed(tmp_path: Any) -> None:
    file = tmp_path / "hashed.thrift"
    file.write_text(
        "struct S {\n"
        "  1: set<list<i8>> sets = [[1, 2]]\n"
        "  2: map<list<i8>, list<i8>> maps = {[3]: [4]}\n"
        "  3: set<set<i8>> nested = [[5]]\n"
        "}\n"
    )
    made = load(file).module.S()
    assert made.sets == {(1, 2)}
    assert made.maps == {(3,): [4]}
    assert made.nested == {frozenset({5})}
    codec = codec_of(type(made))
    assert codec.decode(codec.encode(made)) == made
