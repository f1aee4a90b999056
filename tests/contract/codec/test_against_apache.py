"""The same bytes as Apache Thrift's and the same values, in both directions, for every type of the language."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.contract.codec import CodecError, codec_of
from tests.contract.codec import apache, strategies
from tests.contract.codec.apache import plain, type_of
from tests.contract.codec.everything import STRUCTS, types

CHECKED = [cls for name, cls in STRUCTS.items() if name not in ("Bounded", "Choice")]


@pytest.mark.parametrize("cls", [*CHECKED, types.Choice], ids=lambda cls: cls.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_bytes_and_values_are_apaches(cls: Any, data: st.DataObject) -> None:
    value = data.draw(strategies.structs(cls))
    codec = codec_of(cls)
    ours, theirs = codec.encode(value), apache.encode(cls, value)
    assert ours == theirs
    kind = type_of(cls)
    expected = plain(kind, codec.decode(ours))
    for fast in (False, True):
        assert plain(kind, apache.decode(cls, ours, fast)) == expected


@pytest.mark.parametrize("cls", [types.Scalars, types.Options, types.Containers], ids=lambda cls: cls.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_with_every_field_set_the_value_comes_back(cls: Any, data: st.DataObject) -> None:
    value = data.draw(strategies.full(cls))
    encoded = codec_of(cls).encode(value)
    assert encoded == apache.encode(cls, value)
    assert plain(type_of(cls), codec_of(cls).decode(encoded)) == plain(type_of(cls), value)


@settings(max_examples=25)
@given(value=strategies.structs(types.Options), seed=st.integers(0, 1 << 32))
def test_fields_in_any_order_decode_alike(value: Any, seed: int) -> None:
    fields = []
    for slot in apache.slots_of(types.Options):
        held = getattr(value, slot.name)
        if held is not None:
            one = apache.empty(types.Options)
            setattr(one, slot.name, apache.theirs(slot.type, held))
            fields.append(apache.written(one)[:-1])
    random.Random(seed).shuffle(fields)
    decoded = codec_of(types.Options).decode(b"".join(fields) + b"\x00")
    assert plain(type_of(types.Options), decoded) == plain(type_of(types.Options), value)


@settings(max_examples=25)
@given(value=strategies.structs(types.New))
def test_fields_of_a_newer_contract_are_passed_over(value: Any) -> None:
    encoded = apache.encode(types.New, value)
    decoded = codec_of(types.Old).decode(encoded)
    assert (decoded.id, decoded.name) == (value.id, value.name)
    for fast in (False, True):
        theirs = apache.decode(types.Old, encoded, fast)
        assert (theirs.id, theirs.name) == (value.id, value.name)


@pytest.mark.parametrize("cls", [*CHECKED, types.Choice], ids=lambda cls: cls.__name__)
@settings(max_examples=4)
@given(data=st.data())
def test_no_prefix_is_accepted(cls: Any, data: st.DataObject) -> None:
    codec = codec_of(cls)
    encoded = codec.encode(data.draw(strategies.structs(cls)))
    for end in range(len(encoded)):
        with pytest.raises(CodecError):
            codec.decode(encoded[:end])
    with pytest.raises(CodecError, match="1 bytes behind the end"):
        codec.decode(encoded + b"\x00")


@settings(max_examples=5)
@given(value=strategies.structs(types.New))
def test_no_prefix_with_unknown_fields_is_accepted(value: Any) -> None:
    encoded = codec_of(types.New).encode(value)
    for end in range(len(encoded)):
        with pytest.raises(CodecError):
            codec_of(types.Old).decode(encoded[:end])
