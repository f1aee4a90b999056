"""The table: two versions of a contract, and every difference that must be told, as `LEVEL CODE PLACE`.

A row's texts are what its kind puts around them: a whole file, fields of a struct in a request or in an answer, the
line of a method, what stands in `throws`, or annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    name: str
    old: str
    new: str
    said: tuple[str, ...]
    old_includes: Mapping[str, str] = field(default_factory=dict)
    new_includes: Mapping[str, str] = field(default_factory=dict)


def whole(name: str, old: str, new: str, *said: str) -> Pair:
    return Pair(name, old, new, said)


def _around(template: str, name: str, old: str, new: str, said: tuple[str, ...]) -> Pair:
    return Pair(name, template.replace("...", old), template.replace("...", new), said)


def asked(name: str, old: str, new: str, *said: str) -> Pair:
    """Fields of a struct that travels in requests only."""
    return _around("struct Ask { ... } service S { void f(1: Ask ask) }", f"request: {name}", old, new, said)


def answered(name: str, old: str, new: str, *said: str) -> Pair:
    """Fields of a struct that travels in answers only."""
    return _around("struct Is { ... } service S { Is f() }", f"answer: {name}", old, new, said)


def method(name: str, old: str, new: str, *said: str) -> Pair:
    """What a service has."""
    return _around("struct T { 1: i32 a } service S { ... }", f"method: {name}", old, new, said)


def throws(name: str, old: str, new: str, *said: str) -> Pair:
    template = "exception No { 1: string why } exception Off { 1: i32 code } service S { void f() ... }"
    return _around(template, f"throws: {name}", old, new, said)


def promised(name: str, old: str, new: str, *said: str) -> Pair:
    """Annotations of a method."""
    return _around("service S { i32 f() (...) }", f"promise: {name}", old, new, said)


def members(name: str, old: str, new: str, *said: str) -> Pair:
    """Members of an enum in a request and in an answer."""
    return _around("enum E { ... } service S { E f(1: E e) }", f"enum: {name}", old, new, said)


def kept(name: str, old: str, new: str, *said: str) -> Pair:
    """Beside a service that does not change."""
    return _around("... service S { void f() }", name, old, new, said)


_TREE = "struct Tree { 1: string name, 2: optional list<Tree> below, ... } service S { void f(1: Tree tree) }"
_TWO = 'include "b.thrift" include "c.thrift" '
_SAME_NAME = {"b": "struct B { 1: i32 x }", "c": "struct B { 1: i32 x }"}
_BASE = "service Base { void ping() ... }"

PAIRS: tuple[Pair, ...] = (
    # -- services and methods
    method("removed", "void f() void g()", "void f()", "wire method-removed S::g"),
    method("renamed", "i32 f(1: T t)", "i32 g(1: T t)", "wire method-renamed S::f"),
    method("two gone, one new", "void f() void g()", "void h()", "wire method-removed S::f", "wire method-removed S::g",
           "info method-added S::h"),
    method("added", "void f()", "void f() void g()", "info method-added S::g"),
    method("oneway", "void f()", "oneway void f()", "wire oneway-changed S::f"),
    method("no longer oneway", "oneway void f()", "void f()", "wire oneway-changed S::f"),
    method("another result", "i32 f()", "i64 f()", "wire result-changed S::f"),
    method("a result where there was none", "void f()", "i32 f()", "wire result-changed S::f"),
    method("no result any more", "i32 f()", "void f()", "wire result-changed S::f"),
    method("a list of results", "T f()", "list<T> f()", "wire result-changed S::f"),
    method("deprecated", "void f()", 'void f() (deprecated = "use g")', "info deprecated-added S::f"),
    whole("service removed", "service S { void f() } service R { void g() }", "service S { void f() }",
          "wire service-removed R"),
    whole("service renamed", "service S { void f() }", "service R { void f() }", "wire service-renamed S"),
    whole("service added", "service S { void f() }", "service S { void f() } service R { void g() }",
          "info service-added R"),
    whole("registry name", "service S { void f() }", 'service S { void f() } (name = "other")',
          "wire registry-name-changed S"),
    whole("owner", 'service S { void f() } (owner = "a")', 'service S { void f() } (owner = "b")',
          "info owner-changed S"),
    whole("an inherited method removed", "service Base { void a() void b() } service S extends Base { }",
          "service Base { void a() } service S extends Base { }",
          "wire method-removed Base::b", "wire method-removed S::b"),
    whole("extends no more, methods stay", "service Base { void a() } service S extends Base { }",
          "service Base { void a() } service S { void a() }", "source extends-changed S"),
    # -- parameters
    method("parameter added", "void f(1: i32 a)", "void f(1: i32 a, 2: i32 b)", "source field-added S::f.b"),
    method("parameter with a default added", "void f(1: i32 a)", "void f(1: i32 a, 2: i32 b = 1)",
           "info field-added S::f.b"),
    method("parameter put in front", "void f(1: i32 a)", "void f(2: optional i32 b, 1: i32 a)",
           "source field-added S::f.b"),
    method("required parameter added", "void f()", "void f(1: required i32 a)", "wire required-added S::f.a"),
    method("parameter removed", "void f(1: i32 a, 2: i32 b)", "void f(1: i32 a)", "source field-removed S::f.b"),
    method("parameter renamed", "void f(1: i32 a)", "void f(1: i32 b)", "source field-renamed S::f.b"),
    method("parameter's type", "void f(1: i32 a)", "void f(1: string a)", "wire field-type-changed S::f.a"),
    method("parameters in another order", "void f(1: i32 a, 2: i32 b)", "void f(2: i32 b, 1: i32 a)",
           "source parameters-reordered S::f"),
    method("parameters swapped", "void f(1: i32 a, 2: i32 b)", "void f(1: i32 b, 2: i32 a)",
           "wire field-id-changed S::f.a", "wire field-id-changed S::f.b", "source parameters-reordered S::f"),
    method("parameter's bound", 'void f(1: i32 a (max = "9"))', 'void f(1: i32 a (max = "8"))',
           "wire bound-tightened S::f.a"),
    # -- fields: there and gone
    asked("optional added", "1: i32 a", "1: i32 a, 2: optional i32 b", "info field-added Ask.b"),
    asked("required added", "1: i32 a", "1: i32 a, 2: required i32 b", "wire required-added Ask.b"),
    answered("required added", "1: i32 a", "1: i32 a, 2: required i32 b", "wire required-added Is.b"),
    asked("optional removed", "1: i32 a, 2: optional i32 b", "1: i32 a", "source field-removed Ask.b"),
    asked("required removed", "1: i32 a, 2: required i32 b", "1: i32 a", "wire field-removed Ask.b"),
    answered("required removed", "1: i32 a, 2: required i32 b", "1: i32 a", "wire field-removed Is.b"),
    # -- fields: changed
    asked("another type", "1: double km", "1: string km", "wire field-type-changed Ask.km"),
    asked("a wider integer", "1: i32 n", "1: i64 n", "wire field-type-changed Ask.n"),
    asked("another element", "1: list<i32> n", "1: list<string> n", "wire field-type-changed Ask.n"),
    asked("a set for a list", "1: list<i32> n", "1: set<i32> n", "wire field-type-changed Ask.n"),
    asked("another key", "1: map<i32, string> n", "1: map<i64, string> n", "wire field-type-changed Ask.n"),
    asked("binary for string", "1: string s", "1: binary s", "wire field-type-changed Ask.s"),
    answered("string for binary", "1: binary s", "1: string s", "wire field-type-changed Is.s"),
    asked("id used again", "1: i32 a, 2: optional i32 gone", "1: i32 a, 2: optional string fresh",
          "wire field-id-reused Ask.fresh"),
    asked("renamed", "1: i32 a", "1: i32 b", "source field-renamed Ask.b"),
    asked("another id", "1: i32 a", "2: i32 a", "wire field-id-changed Ask.a"),
    asked("two swapped", "1: double lat, 2: double lon", "1: double lon, 2: double lat",
          "wire field-id-changed Ask.lat", "wire field-id-changed Ask.lon"),
    asked("onto the id of one that is gone", "1: i32 a, 2: i32 b", "2: i32 a", "wire field-id-changed Ask.a",
          "source field-removed Ask.b"),
    asked("order of the text", "1: i32 a, 2: i32 b", "2: i32 b, 1: i32 a"),
    asked("made required", "1: optional i32 a", "1: required i32 a", "wire made-required Ask.a"),
    asked("made optional", "1: required i32 a", "1: optional i32 a", "source made-optional Ask.a"),
    answered("made required", "1: i32 a", "1: required i32 a", "wire made-required Is.a"),
    answered("made optional", "1: required i32 a", "1: optional i32 a", "wire made-optional Is.a"),
    asked("optional written", "1: i32 a", "1: optional i32 a", "info optionality-changed Ask.a"),
    asked("default added", "1: optional i32 a", "1: optional i32 a = 1", "source default-added Ask.a"),
    asked("default removed", "1: optional i32 a = 1", "1: optional i32 a", "wire default-removed Ask.a"),
    asked("default changed", "1: optional i32 a = 1", "1: optional i32 a = 2", "wire default-changed Ask.a"),
    asked("required one's default", "1: required i32 a = 1", "1: required i32 a = 2", "source default-changed Ask.a"),
    asked("the same default as a constant", "1: optional i32 a = 1", "1: optional i32 a = 0x1"),
    # -- fields: constraints and marks
    asked("new bound", "1: i32 a", '1: i32 a (min = "0")', "wire bound-tightened Ask.a"),
    asked("higher min", '1: i32 a (min = "0")', '1: i32 a (min = "1")', "wire bound-tightened Ask.a"),
    asked("higher max", '1: i32 a (max = "5")', '1: i32 a (max = "6")', "info bound-loosened Ask.a"),
    answered("higher max", '1: i32 a (max = "5")', '1: i32 a (max = "6")', "wire bound-loosened Is.a"),
    answered("no bound any more", '1: i32 a (max = "5")', "1: i32 a", "wire bound-loosened Is.a"),
    asked("shorter text", '1: string a (max_length = "9")', '1: string a (max_length = "8")',
          "wire bound-tightened Ask.a"),
    asked("new pattern", "1: string a", '1: string a (pattern = "x+")', "wire pattern-changed Ask.a"),
    asked("another pattern", '1: string a (pattern = "x+")', '1: string a (pattern = "y+")',
          "wire pattern-changed Ask.a"),
    asked("no pattern any more", '1: string a (pattern = "x+")', "1: string a", "info pattern-changed Ask.a"),
    asked("pii lost", '1: string a (pii = "true")', "1: string a", "promise pii-lost Ask.a"),
    asked("pii", "1: string a", '1: string a (pii = "true")', "info pii-added Ask.a"),
    asked("deprecated", "1: i32 a", '1: i32 a (deprecated = "no use")', "info deprecated-added Ask.a"),
    # -- structs
    kept("struct removed", "struct A { 1: i32 a }", "", "source struct-removed A"),
    kept("struct added", "", "struct A { 1: i32 a }", "info struct-added A"),
    kept("a struct that no method has", "struct A { 1: i32 a }", "struct A { 1: i64 a }",
         "wire field-type-changed A.a"),
    whole("struct renamed", "struct A { 1: i32 a } service S { A f(1: list<A> a) }",
          "struct B { 1: i32 a } service S { B f(1: list<B> a) }", "source struct-renamed B"),
    whole("another struct, alike", "struct A { 1: i32 a } struct B { 1: i32 a } service S { void f(1: A x, 2: B y) }",
          "struct A { 1: i32 a } struct B { 1: i32 a } service S { void f(1: B x, 2: B y) }",
          "source field-type-changed S::f.x"),
    whole("another struct, not alike",
          "struct A { 1: i32 a } struct B { 1: string a } service S { void f(1: A x, 2: B y) }",
          "struct A { 1: i32 a } struct B { 1: string a } service S { void f(1: B x, 2: B y) }",
          "source field-type-changed S::f.x", "wire field-type-changed B.a"),
    whole("deep inside", "struct A { 1: i32 a } struct B { 1: map<string, list<A>> a } service S { B f() }",
          "struct A { 1: i64 a } struct B { 1: map<string, list<A>> a } service S { B f() }",
          "wire field-type-changed A.a"),
    _around(_TREE, "recursive", "3: optional i32 n", "3: optional i64 n", ("wire field-type-changed Tree.n",)),
    whole("struct to union", "struct A { 1: optional i32 a, 2: optional i32 b } service S { void f(1: A a) }",
          "union A { 1: i32 a, 2: i32 b } service S { void f(1: A a) }", "wire kind-changed A",
          "info optionality-changed A.a", "info optionality-changed A.b"),
    whole("arm added to a union in a request", "union U { 1: i32 a } service S { void f(1: U u) }",
          "union U { 1: i32 a, 2: i32 b } service S { void f(1: U u) }", "info field-added U.b"),
    whole("arm added to a union in an answer", "union U { 1: i32 a } service S { U f() }",
          "union U { 1: i32 a, 2: i32 b } service S { U f() }", "wire field-added U.b"),
    whole("arm removed from a union", "union U { 1: i32 a, 2: i32 b } service S { void f(1: U u) }",
          "union U { 1: i32 a } service S { void f(1: U u) }", "wire field-removed U.b"),
    # -- enums
    members("value removed", "A = 1, B = 2", "A = 1", "wire enum-value-removed E.B"),
    members("value added", "A = 1", "A = 1, B = 2", "wire enum-value-added E.B"),
    members("value renamed", "A = 1, B = 2", "A = 1, C = 2", "source enum-value-renamed E.C"),
    members("value renumbered", "A = 1, B = 2", "A = 1, B = 3", "wire enum-value-renumbered E.B"),
    members("values swapped", "A = 1, B = 2", "A = 2, B = 1", "wire enum-value-renumbered E.A",
            "wire enum-value-renumbered E.B"),
    members("put in front of implicit ones", "A, B", "N, A, B", "wire enum-value-renumbered E.A",
            "wire enum-value-renumbered E.B", "wire enum-value-added E.N"),
    whole("value added in requests only", "enum E { A = 1 } service S { void f(1: E e) }",
          "enum E { A = 1, B = 2 } service S { void f(1: E e) }", "info enum-value-added E.B"),
    kept("value added to an enum that no method has", "enum E { A }", "enum E { A, B }", "wire enum-value-added E.B"),
    kept("enum removed", "enum E { A }", "", "source enum-removed E"),
    whole("enum for i32", "enum E { A = 1 } service S { void f(1: i32 e) }",
          "enum E { A = 1 } service S { void f(1: E e) }", "wire field-type-changed S::f.e"),
    whole("i32 for enum in a request", "enum E { A = 1 } service S { void f(1: E e) }",
          "enum E { A = 1 } service S { void f(1: i32 e) }", "wire field-type-changed S::f.e"),
    # -- exceptions
    throws("added", "throws (1: No no)", "throws (1: No no, 2: Off off)", "wire throws-added S::f.off"),
    throws("removed", "throws (1: No no, 2: Off off)", "throws (1: No no)", "wire throws-removed S::f.off"),
    throws("another id", "throws (1: No no)", "throws (2: No no)", "wire throws-id-changed S::f.no"),
    throws("another exception", "throws (1: No no)", "throws (1: Off no)", "wire throws-type-changed S::f.no"),
    throws("another name", "throws (1: No no)", "throws (1: No nope)", "info throws-renamed S::f.nope"),
    whole("fault", "exception No { 1: i32 a } service S { void f() throws (1: No no) }",
          'exception No { 1: i32 a } (fault = "service") service S { void f() throws (1: No no) }',
          "promise fault-changed No"),
    whole("exception's field", "exception No { 1: i32 a } service S { void f() throws (1: No no) }",
          "exception No { 1: i64 a } service S { void f() throws (1: No no) }", "wire field-type-changed No.a"),
    kept("exception removed", "exception No { 1: i32 a }", "", "source exception-removed No"),
    # -- promises
    promised("shorter timeout", 'timeout_ms = "500"', 'timeout_ms = "400"', "promise timeout-shorter S::f"),
    promised("longer timeout", 'timeout_ms = "500"', 'timeout_ms = "600"', "info timeout-longer S::f"),
    promised("shorter attempts", 'attempt_timeout_ms = "300"', 'attempt_timeout_ms = "200"',
             "promise attempt-timeout-shorter S::f"),
    promised("idempotent lost", 'idempotent = "true"', "", "promise idempotent-lost S::f",
             "info attempt-timeout-longer S::f"),
    promised("idempotent gained", "", 'idempotent = "true", attempt_timeout_ms = "1000"',
             "info idempotent-gained S::f"),
    promised("fewer attempts", 'idempotent = "true", attempts = "4", attempt_timeout_ms = "100"',
             'idempotent = "true", attempts = "2", attempt_timeout_ms = "100"', "promise attempts-fewer S::f"),
    promised("no hedge", 'idempotent = "true", hedge = "true"', 'idempotent = "true"', "promise hedge-lost S::f"),
    promised("lower priority", 'priority = "critical"', "", "promise priority-lower S::f"),
    promised("higher priority", 'priority = "batch"', "", "info priority-higher S::f"),
    promised("lower availability", 'sla.availability = "99.9"', 'sla.availability = "99.5"',
             "promise sla-lowered S::f"),
    promised("slower", 'sla.p99_ms = "40"', 'sla.p99_ms = "50"', "promise sla-lowered S::f"),
    promised("no promise any more", 'sla.p50_ms = "5", sla.p99_ms = "40"', 'sla.p99_ms = "40"',
             "promise sla-lowered S::f"),
    promised("faster", 'sla.p99_ms = "40"', 'sla.p99_ms = "30"', "info sla-raised S::f"),
    promised("stated", "", 'sla.availability = "99.9"', "info sla-stated S::f"),
    promised("smaller requests", 'max_request_bytes = "1000"', 'max_request_bytes = "900"',
             "promise request-limit-smaller S::f"),
    promised("larger answers", 'max_response_bytes = "1000"', 'max_response_bytes = "1100"',
             "promise response-limit-larger S::f"),
    whole("window", 'service S { void f() } (sla.window = "7d")', "service S { void f() }", "promise sla-lowered S::f"),
    whole("said by the service", 'service S { void f() void g() } (timeout_ms = "500")',
          'service S { void f() (timeout_ms = "500") void g() } (timeout_ms = "400")', "promise timeout-shorter S::g"),
    # -- constants, typedefs, includes
    kept("constant removed", "const i32 X = 1", "", "source constant-removed X"),
    kept("constant's value", "const i32 X = 1", "const i32 X = 2", "source constant-changed X"),
    kept("constant's type", "const i32 X = 1", "const i64 X = 1", "source constant-type-changed X"),
    kept("typedef removed", "typedef i32 X", "", "source typedef-removed X"),
    kept("typedef changed", "typedef i32 X", "typedef i64 X", "source typedef-changed X"),
    whole("a typedef between a method and its type", "typedef i32 X service S { void f(1: X x) }",
          "typedef i64 X service S { void f(1: X x) }", "source typedef-changed X", "wire field-type-changed S::f.x"),
    whole("a typedef written out", "typedef i32 X service S { void f(1: X x) }",
          "typedef i32 X service S { void f(1: i32 x) }"),
    Pair("a field of an included struct", 'include "b.thrift" service S { b.B f() }',
         'include "b.thrift" service S { b.B f() }', ("wire field-type-changed B.x",),
         {"b": "struct B { 1: i32 x }"}, {"b": "struct B { 1: i64 x }"}),
    Pair("a struct moved into an include", "struct B { 1: i32 x } service S { B f() }",
         'include "b.thrift" service S { b.B f() }', ("source struct-moved B",), {}, {"b": "struct B { 1: i32 x }"}),
    Pair("another struct of the same name", _TWO + "service S { c.B f(1: b.B b) }",
         _TWO + "service S { b.B f(1: b.B b) }", ("source result-changed S::f",), _SAME_NAME, _SAME_NAME),
    Pair("a method inherited from an include", 'include "b.thrift" service S extends b.Base { }',
         'include "b.thrift" service S extends b.Base { }', ("promise timeout-shorter S::ping",),
         {"b": _BASE.replace("...", "")}, {"b": _BASE.replace("...", '(timeout_ms = "9", attempt_timeout_ms = "9")')}),
    whole("namespaces", "namespace py a service S { void f() }", "namespace py b service S { void f() }"),
)  # fmt: skip
