"""The builder takes what fits and names the place of what does not."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import ConfigError, Secret, build


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    count: int = field(default=1, metadata={"at_least": 1, "at_most": 9})
    colour: Colour = Colour.RED
    token: Secret | None = None

    def __post_init__(self) -> None:
        if self.count == 7:
            raise ValueError("count: seven is taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    ratio: float = 0.5
    on: bool = False
    maybe: int | None = None
    path: Path | None = None
    tags: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


def test_everything_that_fits() -> None:
    built = build(
        Outer,
        {
            "name": "x",
            "ratio": 2,
            "on": True,
            "maybe": 3,
            "path": "/tmp/x",
            "tags": ["a", "b"],
            "pair": [1, "one"],
            "inner": {"count": 2, "colour": "blue", "token": "t"},
            "many": [{"count": 3}, {}],
            "limits": {"a": 1, "b": 0.5},
        },
        "f.toml",
    )
    assert built == Outer(
        name="x",
        ratio=2.0,
        on=True,
        maybe=3,
        path=Path("/tmp/x"),
        tags=("a", "b"),
        pair=(1, "one"),
        inner=Inner(2, Colour.BLUE, Secret("t")),
        many=(Inner(3), Inner()),
        limits={"a": 1.0, "b": 0.5},
    )
    assert type(built.ratio) is float


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({}, "f.toml: missing: name"),
        ({"name": 3}, "f.toml: name: expected str, got int 3"),
        ({"name": "x", "maybe": "x"}, "f.toml: maybe: expected int, got str 'x'"),
        ({"name": "x", "maybe": True}, "f.toml: maybe: expected int, got bool True"),
        ({"name": "x", "maybe": 1.0}, "f.toml: maybe: expected int, got float 1.0"),
        ({"name": "x", "on": 1}, "f.toml: on: expected true or false, got int 1"),
        ({"name": "x", "ratio": "1"}, "f.toml: ratio: expected a number, got str '1'"),
        ({"name": "x", "ratio": float("nan")}, "f.toml: ratio: expected a finite number, got nan"),
        ({"name": "x", "nmae": 1}, "f.toml: nmae: unknown key; did you mean 'name'?"),
        ({"name": "x", "inner": {"coumt": 1}}, "f.toml: inner.coumt: unknown key; did you mean 'count'?"),
        ({"name": "x", "inner": {"zzz": 1}}, "f.toml: inner.zzz: unknown key; known: count, colour, token"),
        ({"name": "x", "inner": 3}, "f.toml: inner: expected a table, got int 3"),
        ({"name": "x", "inner": {"count": 0}}, "f.toml: inner.count: expected at least 1, got 0"),
        ({"name": "x", "inner": {"count": 10}}, "f.toml: inner.count: expected at most 9, got 10"),
        ({"name": "x", "inner": {"count": 7}}, "f.toml: inner: count: seven is taken"),
        (
            {"name": "x", "inner": {"colour": "green"}},
            "f.toml: inner.colour: expected one of red, blue; got str 'green'",
        ),
        ({"name": "x", "tags": "a"}, "f.toml: tags: expected a list, got str 'a'"),
        ({"name": "x", "tags": ["a", 1]}, "f.toml: tags[1]: expected str, got int 1"),
        ({"name": "x", "pair": [1]}, "f.toml: pair: expected 2 values, got 1"),
        ({"name": "x", "many": [{"count": "y"}]}, "f.toml: many[0].count: expected int, got str 'y'"),
        ({"name": "x", "limits": {"a": "b"}}, "f.toml: limits.a: expected a number, got str 'b'"),
        ({"name": "x", "path": ""}, "f.toml: path: expected a text that is not empty, got str ''"),
        (
            {"name": "x", "inner": {"token": "a", "token_file": __file__}},
            "f.toml: inner: inner.token and inner.token_file: state one of the two",
        ),
    ],
)
def test_refusals_name_the_place(mapping: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Outer, mapping, "f.toml")
    assert str(caught.value) == complaint


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        build(Inner, {"token": 123456}, "f.toml")
    assert "123456" not in str(caught.value)


def test_a_secret_out_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2\n")
    assert build(Inner, {"token_file": str(file)}, "f").token == Secret("hunter2")


@pytest.mark.parametrize(
    ("content", "part"), [(None, "cannot read"), (b"", "empty"), (b"x" * 20_000, "larger than"), (b"\xff\xfe", "UTF-8")]
)
def test_a_secret_file_that_is_none(tmp_path: Path, content: bytes | None, part: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=part) as caught:
        build(Inner, {"token_file": str(file)}, "f")
    assert str(caught.value).startswith("f: token_file: ")


_toml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "inner", "count"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "ratio", "on", "maybe", "tags", "inner", "many", "limits"]), _toml))
def test_whatever_comes_is_built_right_or_refused(mapping: dict[str, Any]) -> None:
    try:
        built = build(Outer, mapping, "f.toml")
    except ConfigError as error:
        assert str(error).startswith("f.toml: ")  # noqa: PT017
        return
    assert type(built.name) is str
    assert type(built.ratio) is float
    assert type(built.on) is bool
    assert all(type(tag) is str for tag in built.tags)
    assert 1 <= built.inner.count <= 9
