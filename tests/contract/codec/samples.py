"""One rich object of each struct: what mutations start from, and what tables of bad values change one field of."""

from __future__ import annotations

from typing import Any

from tests.contract.codec.everything import EVERYTHING, types

Stamp: Any = EVERYTHING.includes["shared"].structs["Stamp"]


def scalars() -> Any:
    return types.Scalars(True, -7, 300, -70_000, 1 << 40, -2.5, "naïve ✓", b"\x00\xff", types.Color.BLUE, 12)


def options() -> Any:
    return types.Options(
        id=1, flag=False, small=-2, big=3, real=float("inf"), text="t", raw=b"r", color=types.Color.DARK,
        words=["a", ""], point=types.Point(1.0, -0.0), middle=9, counts={"a": 1, "b": -1}, tail="end",
    )  # fmt: skip


def node() -> Any:
    leaf = types.Node(note="leaf")
    return types.Node(after=types.Node(after=leaf), note="root", children=[leaf, types.Node()], named={"l": leaf})


def containers() -> Any:
    point = types.Point(0.5, 1.5)
    return types.Containers(
        flags=[True, False], tinies=[-128, 127], smalls=[1], kms=[1, -1, 2], bigs=[1 << 62], reals=[0.1, float("nan")],
        words=["one", "two", ""], raws=[b"\xff"], colors=[1, 7], points=[point, types.Point(2.0, 3.0)],
        int_set={1, 2}, word_set={"a", "b"}, color_set={1, -3}, list_set={(1, 2), ()},
        point_set={point}, set_set={frozenset({True}), frozenset()},
        counts={"k": 1}, routes={5: [point], 6: []}, deep_map={2: {"x": b"y"}}, switches={True: 1.0, False: 2.0},
        by_list={("a",): types.Nothing()}, by_point={point: types.Choice(text="c")},
        cube=[[[1], []], []], sixfold=[[[[[["deep"], []]]]]], mixed=[{"m": {(1, 2), (7,)}}],
        stamps=[Stamp(5, "me"), Stamp(at_ms=6)], nothings=[types.Nothing(), types.Nothing()],
    )  # fmt: skip


def nested() -> Any:
    return types.Nested(
        scalars=scalars(), options=options(), choice=types.Choice(words=["w"]), node=node(),
        broken=types.Broken("secret", 3), stamp=Stamp(1), nothing=types.Nothing(),
    )  # fmt: skip


def new() -> Any:
    return types.New(
        id=4, extra={"k": [node()]}, blob=b"\xff\xfe", choice=types.Choice(point=types.Point(1.0, 2.0)), name="n",
        reals={1.0}, flags=[True], nested=nested(), flag=True, tiny=1, small=2, big=3, real=4.0,
    )  # fmt: skip


def every() -> list[Any]:
    defaults = types.Defaults()
    return [scalars(), options(), node(), containers(), nested(), new(), types.Choice(number=1), defaults]
