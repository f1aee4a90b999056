"""What must not load: each with its line and a reason that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract import ContractError, load
from tests.contract.text import contract, refusal

# (what, line, part of the reason, text). Most of it thriftpy2's parser takes without a word.
REFUSED = [
    # numbers and other base values
    ("byte", 2, "9999 is no i8: that is -128 to 127", "\nconst byte B = 9999"),
    ("i16", 1, "is no i16", "const i16 B = 32768"),
    ("i32", 1, "is no i32", "struct A { 1: i32 x = 2147483648 }"),
    ("i64", 1, "is no i64", "const i64 B = 9223372036854775808"),
    ("float for int", 1, "1.5 is no i32", "const i32 B = 1.5"),
    ("bool for int", 1, "True is no i32", "const i32 B = true"),
    ("int for bool", 1, "5 is no bool", "const bool B = 5"),
    ("int for string", 1, "5 is no string", "const string B = 5"),
    ("string for int", 1, "'5' is no i32", "const i32 B = '5'"),
    ("huge double", 1, "too large for a double", f"const double B = 1{'0' * 400}"),
    ("huge literal", 1, "too large for a double", "const double B = 1e999"),
    ("digits", 1, "unreadable number", f"const i64 B = {'1' * 5000}"),
    # containers, nested
    ("list", 2, "'x' is no i32", "const list<i32> B = [1,\n'x']"),
    ("nested list", 1, "'x' is no i8", "const list<list<i8>> B = [[1], ['x']]"),
    ("byte in a map", 1, "300 is no i8", "struct A { 1: map<string, list<i8>> x = {'a': [300]} }"),
    ("map key", 1, "1 is no string", "const map<string, i32> B = {1: 1}"),
    ("map for list", 1, "a map is no list<i32>", "const list<i32> B = {1: 1}"),
    ("list for map", 1, "a list is no map<i32, i32>", "const map<i32, i32> B = [1]"),
    ("list for struct", 1, "a list is no a.A", "struct A {}\nconst A B = [1]".replace("\n", " ")),
    ("twice in a set", 1, "the same element stands twice", "const set<i32> B = [1, 1]"),
    ("twice in a map", 1, "the same key stands twice", "const map<i32, i32> B = {1: 1, 1: 2}"),
    ("deep value", 1, "values inside each other",
     "struct A { 1: list<A> x } const A B = " + "{'x': [" * 40 + "]}" * 40),
    ("deep type", 1, "containers inside each other", f"typedef {'list<' * 40}i32{'>' * 40} B"),
    ("unhashable key", 1, "Python has no hashable map", "typedef map<list<map<i32, i32>>, i32> B"),
    ("unhashable element", 1, "cannot be a set's element", "struct A { 1: set<map<i32, i32>> x }"),
    # struct values
    ("unknown field", 1, "A has no field 'y'; it has x", "struct A { 1: i32 x } const A B = {'y': 1}"),
    ("field by number", 1, "A has no field 1", "struct A { 1: i32 x } const A B = {1: 1}"),
    ("field twice", 1, "field 'x' stands twice", "struct A { 1: i32 x } const A B = {'x': 1, 'x': 2}"),
    ("field's type", 1, "'s' is no i32", "struct A { 1: i32 x } struct C { 1: list<A> y = [{'x': 's'}] }"),
    ("required", 1, "A.x is required and missing", "struct A { 1: required i32 x } const A B = {}"),
    ("constraint inside", 1, "A.x is 9, outside", "struct A { 1: i32 x (max = '5') } const A B = {'x': 9}"),
    ("no arm", 1, "a union has exactly one field; U has 0", "union U { 1: i32 x } const U B = {}"),
    ("two arms", 1, "U has 2", "union U { 1: i32 x, 2: i32 y } const U B = {'x': 1, 'y': 1}"),
    ("own default", 1, "whose own defaults need it again", "struct A { 1: A x = {} }"),
    ("each other's", 1, "need it again", "struct A { 1: B x = {} } struct B { 1: A x = {} }"),
    # names of values
    ("unknown constant", 1, "there is no constant 'X'", "const i32 B = X"),
    ("close constant", 1, "did you mean 'LIMIT'", "const i32 LIMIT = 1 const i32 B = LIMT"),
    ("circle", 1, "stands for itself", "const i32 A = B const i32 B = A"),
    ("constant's type", 1, "constant A of type list<i32> is no i32", "const list<i32> A = [] const i32 B = A"),
    ("other constant", 1, "70000 is no i16", "const i32 A = 70000 const i16 B = A"),
    # enums
    ("enum value twice", 3, "RED and GREEN both have the value 1", "enum E {\nGREEN = 1\nRED = 1 }"),
    ("implicit twice", 1, "C and B both have the value 1", "enum E { B = 1, A = 0, C }"),
    ("member twice", 1, "'A' stands twice", "enum E { A = 1, A = 2 }"),
    ("member's size", 1, "A = 2147483648 is no i32", "enum E { A = 2147483648 }"),
    ("empty", 1, "enum E has no members", "enum E { }"),
    ("hidden member", 1, "underscore", "enum E { _VALUES_TO_NAMES }"),
    ("default not in enum", 2, "5 is not in enum E (A = 0)", "enum E { A }\nstruct S { 1: E e = 5 }"),
    ("nested enum", 1, "5 is not in enum E", "enum E { A } struct S { 1: map<string, E> e = {'x': 5} }"),
    ("no such member", 1, "enum 'E' has no member 'B' (A = 0)", "enum E { A } struct S { 1: E e = E.B }"),
    ("another enum", 1, "F.A of another enum is no a.E", "enum E { A } enum F { A } struct S { 1: E e = F.A }"),
    ("bool for enum", 1, "True is not in enum", "enum E { A, B } struct S { 1: E e = true }"),
    # fields
    ("id 70000", 1, "'x' has the id 70000; ids go from 1 to 32767", "struct A { 70000: i32 x }"),
    ("id 0", 1, "ids go from 1", "struct A { 0: i32 x }"),
    ("negative id", 1, "ids go from 1", "struct A { -1: i32 x }"),
    ("no id", 2, "'x' has no id", "struct A {\ni32 x }"),
    ("id twice", 3, "'y' has the id 1, which 'x' has already", "struct A {\n1: i32 x\n1: i32 y }"),
    ("name twice", 2, "struct A has the name 'x' twice", "struct A { 1: i32 x\n2: i32 x }"),
    ("parameter id", 1, "ids go from 1", "service S { void f(40000: i32 x) }"),
    ("parameter twice", 1, "f() has the name 'x' twice", "service S { void f(1: i32 x, 2: i32 x) }"),
    ("dotted name", 1, "no plain name", "struct A { 1: i32 x.y }"),
    ("python keyword", 1, "'None' is a keyword of Python", "struct A { 1: i32 None }"),
    ("reserved word", 1, "reserved language keyword: 'class'", "struct A { 1: i32 class }"),
    ("dunder", 1, "two underscores", "struct __A { }"),
    ("required in a union", 1, "cannot be required", "union U { 1: required i32 x }"),
    ("default in a union", 1, "cannot have a default", "union U { 1: i32 x = 1 }"),
    ("empty union", 1, "could never have a value", "union U { }"),
    # definitions and types
    ("defined twice", 2, "'A' is defined twice, first at line 1", "struct A { }\nenum A { X }"),
    ("service and struct", 1, "defined twice", "struct A { } service A { }"),
    ("unknown type", 2, "there is no type 'Strng'", "struct A {\n1: Strng x }"),
    ("close type", 1, "did you mean 'string'", "struct A { 1: strin x }"),
    ("service as a type", 1, "'S' is a service, not a type", "service S { } struct A { 1: S x }"),
    ("constant as a type", 1, "'C' is a constant, not a type", "const i32 C = 1 struct A { 1: C x }"),
    ("typedef circle", 1, "stands for itself", "typedef B A typedef A B"),
    ("long type", 64, "a type of more than 64 types", "".join(
        f"typedef list<{f'T{n - 1}' if n else 'i32'}> T{n}\n" for n in range(64))),
    ("not included", 1, "no file 'geo.thrift' is included here (included: nothing)", "struct A { 1: geo.P x }"),
    # services
    ("throws a struct", 2, "f throws a.A, which is no exception", "struct A {} service S { void f()\nthrows (1: A a)}"),
    ("throws a number", 1, "f throws i32", "service S { void f() throws (1: i32 a) }"),
    ("throws twice", 1, "f throws a.A twice", "exception A {} service S { void f() throws (1: A a, 2: A b) }"),
    ("throws id 0", 1, "ids go from 1", "exception A {} service S { void f() throws (0: A a) }"),
    ("throws default", 1, "no default", "exception A {} service S { void f() throws (1: A a = {}) }"),
    ("oneway result", 1, "oneway method is never answered and cannot have a result", "service S { oneway i32 f() }"),
    ("oneway throws", 1, "cannot have throws", "exception A {} service S { oneway void f() throws (1: A a) }"),
    ("method twice", 3, "'f' is defined twice, first at line 2", "service S {\nvoid f()\nvoid f() }"),
    ("inherited again", 2, "'f' is a method of B already", "service B { void f() }\nservice S extends B { void f() }"),
    ("extends nothing", 1, "extends 'B', which is unknown", "service S extends B { }"),
    ("extends a struct", 1, "extends 'B', which is not a service", "struct B {} service S extends B { }"),
    ("extends itself", 1, "extends 'S', which is not a service", "service S extends S { }"),
    ("parameter default", 1, "'x' is no i32", "service S { void f(1: i32 p = 'x') }"),
    ("python's name taken", 1, "'SClient' is the Python name of service S's client", "struct SClient {} service S { }"),
    # the text itself
    ("brace", 3, "grammar: '}' cannot stand here", "struct A {\n1: i32\n}"),
    ("end", 2, "the file ends in the middle", "struct A {\n"),
    ("comment", 2, "Illegal character '/'", "\n/* never closed"),
    ("backslash", 1, "Illegal character", "const string A = 'x\\"),
    ("escape", 1, "Unexpected escaping character", r"const string A = '\q'"),
    ("late include", 2, "must stand before the first definition", "struct A {}\ninclude 'b.thrift'"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(tmp_path: Path, line: int, reason: str, text: str) -> None:
    error = refusal(tmp_path, text)
    assert reason in error.reason
    assert error.line == line
    assert str(error).splitlines()[0] == f"{tmp_path / 'a.thrift'}:{line}: {error.reason}"


def test_lines_survive_comments_and_strings(tmp_path: Path) -> None:
    text = """/* struct A { 70000: i32 x } */
// enum E { A = 1, B = 1 }
# const byte B = 9999
/**
 * two lines
 */
const string TEXT = "struct A { 70000: i32 x } // no comment"
struct A { 70000: i32 x }
"""
    assert refusal(tmp_path, text).line == 8


def test_all_errors_of_a_file_come_at_once_in_its_order(tmp_path: Path) -> None:
    error = refusal(tmp_path, "struct A { 1: Nope x }\nenum E { A = 1, B = 1 }\nstruct C { 0: i32 y }")
    assert [finding.line for finding in error.findings] == [1, 2, 3]
    assert len(str(error).splitlines()) == 3


def test_an_error_in_an_include_names_the_include(tmp_path: Path) -> None:
    error = refusal(tmp_path, "include 'b.thrift'", b="\n\nconst byte B = 9999")
    assert str(error).startswith(f"{tmp_path / 'b.thrift'}:3: 9999 is no i8")


@pytest.mark.parametrize(
    ("text", "others", "reason"),
    [
        ("\ninclude 'b.thrift'", {}, "include 'b.thrift' is not there"),
        ("\ninclude '/etc/b.thrift'", {}, "is absolute"),
        ("\ninclude 'http://x/b.thrift'", {}, "is absolute"),
        ("\ninclude ''", {}, "is no relative path"),
        ("\ninclude 'a.thrift'", {}, "includes in a circle"),
        ("\ninclude 'b.thrift' struct b { }", {"b": ""}, "'b' is also the name of an included file"),
    ],
)
def test_bad_includes(tmp_path: Path, text: str, others: dict[str, str], reason: str) -> None:
    error = refusal(tmp_path, text, **others)
    assert reason in error.reason
    assert error.line == 2


def test_a_circle_of_includes_is_told(tmp_path: Path) -> None:
    error = refusal(tmp_path, "include 'b.thrift'", b="include 'c.thrift'", c="include 'b.thrift'")
    assert error.file == str(tmp_path / "c.thrift")
    names = [str(tmp_path / f"{stem}.thrift") for stem in "bcb"]
    assert error.reason == f"includes in a circle: {' > '.join(names)}"


def test_two_includes_of_one_stem_cannot_be_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "b.thrift").write_text("")
    assert "another file of the name 'b'" in refusal(tmp_path, "include 'b.thrift' include 'x/b.thrift'", b="").reason


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "latin.thrift").write_bytes(b"// fine\n// caf\xe9\n")
    for name, line, reason in (("no.thrift", 0, "No such file"), ("latin.thrift", 2, "not UTF-8: byte 0xe9")):
        with pytest.raises(ContractError) as caught:
            load(tmp_path / name)
        assert (caught.value.line, reason in caught.value.reason) == (line, True)


def test_what_is_right_beside_all_this_loads(tmp_path: Path) -> None:
    """The refusals' neighbours: the limits themselves are allowed."""
    loaded = contract(
        tmp_path,
        """
        const byte LOW = -128
        const i64 BIG = 9223372036854775807
        const bool ONE = 1
        const double WHOLE = 3
        enum E { A = 1, B, C = 0x10, D }
        const set<list<i8>> KEYS = [[127], []]
        struct S { 32767: E e = E.D, 1: E f = 2; 2: set<i8> keys = [127, -128] }
        """,
    )
    module = loaded.module
    assert (module.LOW, module.BIG, module.ONE, module.WHOLE) == (-128, 2**63 - 1, True, 3.0)
    assert type(module.ONE) is bool
    assert type(module.WHOLE) is float
    assert module.E._NAMES_TO_VALUES == {"A": 1, "B": 2, "C": 16, "D": 17}
    made = module.S()
    assert (made.e, made.f, made.keys) == (17, 2, {127, -128})
    assert {(127,), ()} == module.KEYS
