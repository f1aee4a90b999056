"""The same change in requests and in answers, with the servers first, the callers first, or in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract.compare import CODES, Change, Pairing, compare
from tests.contract.breaking.pairs import PAIRS
from tests.contract.breaking.versions import changes, loaded

REQUEST = "struct A { ... } service S { void f(1: A a) }"
ANSWER = "struct A { ... } service S { A f() }"
ENUM_ASKED, ENUM_ANSWERED = "enum E { ... } service S { void f(1: E e) }", "enum E { ... } service S { list<E> f() }"
UNION_ASKED, UNION_ANSWERED = REQUEST.replace("struct", "union"), ANSWER.replace("struct", "union")
METHODS, THROWS = "service S { ... }", "exception X { } service S { void f() ... }"

# Around, old, new, and the worst level with servers first, callers first, and either.
ROWS = [
    ("request: required added", REQUEST, "", "1: required i32 a", "wire source wire"),
    ("answer: required added", ANSWER, "", "1: required i32 a", "source wire wire"),
    ("request: required removed", REQUEST, "1: required i32 a", "", "source wire wire"),
    ("answer: required removed", ANSWER, "1: required i32 a", "", "wire source wire"),
    ("request: made required", REQUEST, "1: optional i32 a", "1: required i32 a", "wire source wire"),
    ("answer: made required", ANSWER, "1: optional i32 a", "1: required i32 a", "source wire wire"),
    ("request: made optional", REQUEST, "1: required i32 a", "1: optional i32 a", "source wire source"),
    ("answer: made optional", ANSWER, "1: required i32 a", "1: optional i32 a", "wire source wire"),
    ("request: optional removed", REQUEST, "1: optional i32 a", "", "source source source"),
    ("request: type", REQUEST, "1: i32 a", "1: i64 a", "wire wire wire"),
    ("request: string to binary", REQUEST, "1: string a", "1: binary a", "source wire wire"),
    ("answer: string to binary", ANSWER, "1: string a", "1: binary a", "wire source wire"),
    ("request: tighter", REQUEST, "1: i32 a", '1: i32 a (min = "1")', "wire source wire"),
    ("answer: tighter", ANSWER, "1: i32 a", '1: i32 a (min = "1")', "source wire wire"),
    ("request: looser", REQUEST, '1: i32 a (min = "1")', "1: i32 a", "info wire info"),
    ("answer: looser", ANSWER, '1: i32 a (min = "1")', "1: i32 a", "wire info wire"),
    ("request: enum's value added", ENUM_ASKED, "A", "A, B", "info wire info"),
    ("answer: enum's value added", ENUM_ANSWERED, "A", "A, B", "wire info wire"),
    ("request: enum's value removed", ENUM_ASKED, "A, B", "A", "wire source wire"),
    ("answer: enum's value removed", ENUM_ANSWERED, "A, B", "A", "source wire wire"),
    ("request: arm added", UNION_ASKED, "1: i32 a", "1: i32 a, 2: i32 b", "info wire info"),
    ("answer: arm added", UNION_ANSWERED, "1: i32 a", "1: i32 a, 2: i32 b", "wire info wire"),
    ("request: arm removed", UNION_ASKED, "1: i32 a, 2: i32 b", "1: i32 a", "wire source wire"),
    ("answer: arm removed", UNION_ANSWERED, "1: i32 a, 2: i32 b", "1: i32 a", "source wire wire"),
    ("method removed", METHODS, "void f() void g()", "void f()", "wire source wire"),
    ("method added", METHODS, "void f()", "void f() void g()", "info wire info"),
    ("throws added", THROWS, "", "throws (1: X x)", "wire info wire"),
    ("throws removed", THROWS, "throws (1: X x)", "", "source wire wire"),
]


@pytest.mark.parametrize(("around", "old", "new", "levels"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_who_meets_whom_decides(tmp_path: Path, around: str, old: str, new: str, levels: str) -> None:
    found = []
    for pairing in (Pairing.SERVER, Pairing.CALLER, Pairing.EITHER):
        told = changes(tmp_path, around.replace("...", old), around.replace("...", new), pairing)
        found.append(min(told, key=lambda change: change.level.rank).level)
    assert " ".join(found) == levels


def test_a_struct_in_both_directions_has_both_verdicts(tmp_path: Path) -> None:
    around = "struct A { ... } service S { A f(1: A a) }"
    for pairing in Pairing:
        told = changes(tmp_path, around.replace("...", ""), around.replace("...", "1: required i32 a"), pairing)
        assert [change.level for change in told] == ["wire"]


def test_either_is_the_worse_of_both_but_for_what_can_wait() -> None:
    """Whatever breaks with servers first also breaks in any order, and nothing is told by one order alone."""
    for pair in PAIRS:
        servers, callers, either = (
            compare(*loaded(pair), pairing=pairing) for pairing in (Pairing.SERVER, Pairing.CALLER, Pairing.EITHER)
        )
        assert _on_the_wire(servers) <= _on_the_wire(either) <= _on_the_wire(servers) | _on_the_wire(callers), pair.name
        assert {c.code for c in servers} == {c.code for c in callers} == {c.code for c in either}, pair.name


def _on_the_wire(changes: list[Change]) -> set[tuple[str, str]]:
    return {(change.code, change.path) for change in changes if change.level == "wire"}


def test_the_message_names_who_refuses_whom(tmp_path: Path) -> None:
    told = changes(tmp_path, REQUEST.replace("...", "1: double km"), REQUEST.replace("...", "1: string km"))
    assert [str(change) for change in told] == [
        "a: S::f, A.km: was double, is now string: a new server refuses requests of old callers"
    ]


def test_every_method_that_reaches_a_place_is_named(tmp_path: Path) -> None:
    around = "struct P { ... } struct A { 1: map<string, list<P>> p } service S { void f(1: A a) A g() void h() }"
    (change,) = changes(tmp_path, around.replace("...", "1: i32 x"), around.replace("...", "1: i64 x"))
    assert change.methods == ("S::f", "S::g")
    assert change.path == "a.p{}[].x"
    assert str(change).startswith("a: S::f and 1 more, P.x: was i32, is now i64: ")


def test_the_documentation_has_every_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text("utf-8")
    for code, about in CODES.items():
        row = f"| `{code}` | {', '.join(about.levels)} | {about.meaning} |"
        assert row in text, f"docs/contracts.md lacks:\n{row}"
