"""The digest: what changes it, and what must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract import load, load_texts
from tests.contract.text import contract

TEXT = """
include "geo.thrift"
enum Color { RED = 1, GREEN = 2 }
typedef list<geo.P> Route
struct Ask { 1: required Route route (max_length = "5"), 2: optional Color color = Color.RED, 3: set<i32> s = [2, 1] }
exception No { 1: string why } (fault = "caller")
service S {
  Ask f(1: Ask ask, 2: i32 n = 3) throws (1: No no) (idempotent = "true", timeout_ms = "200"),
  void g()
} (owner = "x", sla.availability = "99.5")
"""
GEO = "struct P { 1: required double lat }"


def digest(folder: Path, text: str, geo: str = GEO, **others: str) -> str:
    return contract(folder, text, geo=geo, **others).digest


ENUM = "enum Color { RED = 1, GREEN = 2 }\n"
SAME = [
    ("comments and space", [("enum Color", "// a comment\n/* and another */   enum\n Color")], GEO),
    ("order of definitions", [(ENUM, ""), ("service S", ENUM + "service S")], GEO),
    ("order of methods", [("  void g()\n", ""), ("service S {", "service S { void g()")], GEO),
    ("order of members", [("RED = 1, GREEN = 2", "GREEN = 2, RED = 1")], GEO),
    (
        "order of fields",
        [("3: set<i32> s = [2, 1]", ""), ("struct Ask {", "struct Ask { 3: set<i32> s = [1, 2],")],
        GEO,
    ),
    ("implicit values", [("RED = 1, GREEN = 2", "RED = 1, GREEN")], GEO),
    ("a typedef written out", [("required Route", "required list<geo.P>"), ("typedef list<geo.P> Route", "")], GEO),
    ("another typedef", [("typedef list<geo.P> Route", "typedef geo.P P typedef list<P> Route")], GEO),
    ("default's name", [("Color.RED", "1")], GEO),
    ("a constant for a default", [("n = 3", "n = THREE"), ("enum Color", "const i32 THREE = 3 enum Color")], GEO),
    ("stated defaults", [('(fault = "caller")', ""), ("g()", 'g() (timeout_ms = "1000", idempotent = "false")')], GEO),
    ("said by the service", [('owner = "x"', 'owner = "x", sla.window = "30d"')], GEO),
    ("other tools", [('owner = "x"', 'owner = "x", go.package = "y"')], GEO),
    ("a number, two ways", [('max_length = "5"', 'max_length = "005"')], GEO),
    ("what nobody reaches", [], GEO + " struct Other { 1: i32 x }"),
    ("namespaces", [], "namespace py x\n" + GEO),
    ("file of a type", [('include "geo.thrift"', GEO), ("geo.P", "P")], "struct Elsewhere { }"),
]


@pytest.mark.parametrize(("edits", "geo"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_the_same_contract(tmp_path: Path, edits: list[tuple[str, str]], geo: str) -> None:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    assert (text, geo) != (TEXT, GEO)
    assert digest(tmp_path, text, geo) == digest(tmp_path, TEXT)


CHANGED = [
    ("timeout", 'timeout_ms = "200"', 'timeout_ms = "201"'),
    ("sla", "99.5", "99.6"),
    ("owner", 'owner = "x"', 'owner = "y"'),
    ("registry name", 'owner = "x"', 'owner = "x", name = "z"'),
    ("idempotent", 'idempotent = "true"', 'idempotent = "false"'),
    ("constraint", 'max_length = "5"', 'max_length = "6"'),
    ("fault", 'fault = "caller"', 'fault = "service"'),
    ("pii", "string why", 'string why (pii = "true")'),
    ("a field's id", "1: string why", "2: string why"),
    ("a field's name", "string why", "string who"),
    ("a field's type", "1: string why", "1: binary why"),
    ("required", "optional Color", "Color"),
    ("default", "Color.RED", "Color.GREEN"),
    ("parameter's default", "n = 3", "n = 4"),
    ("set default", "[2, 1]", "[2]"),
    ("member", "GREEN = 2", "GREEN = 3"),
    ("member's name", "GREEN = 2", "BLUE = 2"),
    ("result", "Ask f(", "list<Ask> f("),
    ("void", "void g()", "i32 g()"),
    ("oneway", "void g()", "oneway void g()"),
    ("throws", "throws (1: No no)", ""),
    ("throws id", "(1: No no)", "(2: No no)"),
    ("method", "void g()", "void h()"),
    ("service", "service S", "service T"),
    ("a new struct", "enum Color", "struct New { } enum Color"),
    ("deprecated", 'timeout_ms = "200"', 'timeout_ms = "200", deprecated = "use g"'),
]


@pytest.mark.parametrize(("old", "new"), [row[1:] for row in CHANGED], ids=[row[0] for row in CHANGED])
def test_another_contract(tmp_path: Path, old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    assert digest(tmp_path, TEXT.replace(old, new)) != digest(tmp_path, TEXT)


def test_a_change_in_an_include_counts(tmp_path: Path) -> None:
    assert digest(tmp_path, TEXT, GEO.replace("required", "optional")) != digest(tmp_path, TEXT)


def test_inherited_methods_count(tmp_path: Path) -> None:
    base, child = 'service B { void f() (timeout_ms = "5") }', "include 'b.thrift' service S extends b.B { }"
    one = digest(tmp_path, child, b=base)
    assert digest(tmp_path, child, b=base.replace('"5"', '"6"')) != one
    assert digest(tmp_path, "service S { void f() (timeout_ms = '5') }") == one


def test_two_types_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = "include 'geo.thrift' include 'b.thrift' struct A {{ 1: {} x }} struct Both {{ 1: geo.P x, 2: b.P y }}"
    one, other = (digest(tmp_path, text.format(type), b="struct P { }") for type in ("geo.P", "b.P"))
    assert one != other


def test_it_is_a_sha256_in_hex(tmp_path: Path) -> None:
    found = digest(tmp_path, TEXT)
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "idl").glob("*.thrift")), ids=lambda path: path.stem
)
def test_the_texts_that_a_server_tells_have_its_digest(path: Path) -> None:
    served = load(path)
    assert load_texts(served.texts, served.entry_point).digest == served.digest
