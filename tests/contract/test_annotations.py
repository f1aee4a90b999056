"""Annotations: their values, their places, what they add up to along `extends`, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract import ContractError, load_texts
from mesh.contract.model import FaultOf, Policy, Priority, Sla
from tests.contract.text import contract, method, refusal


def test_a_bare_method_has_the_defaults(tmp_path: Path) -> None:
    bare = method(contract(tmp_path, "service S { void f() }"), "S::f").policy
    assert bare == Policy()
    assert (bare.timeout_ms, bare.attempt_timeout_ms, bare.attempts) == (1000, 1000, 1)
    assert (bare.max_request_bytes, bare.priority, bare.sla.stated) == (8 * 1024 * 1024, Priority.NORMAL, False)
    assert (bare.sla.availability, bare.sla.window_s) == (99.9, 30 * 86400)


def test_everything_that_a_function_may_state(tmp_path: Path) -> None:
    text = """service S { void f() (timeout_ms = "800", attempt_timeout_ms = "300", idempotent = "true", attempts = "4",
        hedge = "true", priority = "batch", sla.availability = "99.5", sla.p99_ms = "120.5", sla.p50_ms = "10",
        max_request_bytes = "1024", max_response_bytes = "2048", deprecated = "use g") } (sla.window = "12h")"""
    assert method(contract(tmp_path, text), "S::f").policy == Policy(
        timeout_ms=800,
        attempt_timeout_ms=300,
        idempotent=True,
        attempts=4,
        hedge=True,
        priority=Priority.BATCH,
        sla=Sla(99.5, 120.5, 10.0, 12 * 3600, stated=True),
        max_request_bytes=1024,
        max_response_bytes=2048,
        deprecated="use g",
    )


def test_idempotent_methods_get_three_attempts_that_share_the_deadline(tmp_path: Path) -> None:
    policy = method(contract(tmp_path, 'service S { void f() (idempotent = "true") }'), "S::f").policy
    assert (policy.attempts, policy.attempt_timeout_ms) == (3, 333)


def test_a_services_attempts_are_for_what_may_be_repeated(tmp_path: Path) -> None:
    loaded = contract(tmp_path, 'service S { void f(), void g() (idempotent = "true") } (attempts = "5")')
    assert method(loaded, "S::f").policy.attempts == 1
    assert method(loaded, "S::g").policy.attempts == 5


def test_a_services_attempt_timeout_is_at_most_a_methods_whole_time(tmp_path: Path) -> None:
    text = 'service S { void f() (timeout_ms = "100") } (timeout_ms = "900", attempt_timeout_ms = "400")'
    assert method(contract(tmp_path, text), "S::f").policy.attempt_timeout_ms == 100


INHERITING = """
include "base.thrift"
service Child extends base.Parent {
  void own() (timeout_ms = "10")
} (timeout_ms = "300", name = "kid", sla.p99_ms = "30")
service Grandchild extends Child { } (priority = "critical")
"""
BASE = """
service Root { void old() } (timeout_ms = "700", priority = "batch", attempts = "7", name = "root", owner = "infra")
service Parent extends Root {
  void stated() (timeout_ms = "20", idempotent = "true", sla.availability = "99"),
  void silent()
} (sla.availability = "98", sla.window = "7d", timeout_ms = "500")
"""


def test_annotations_along_extends(tmp_path: Path) -> None:
    loaded = contract(tmp_path, INHERITING, base=BASE)
    child = loaded.services["Child"]
    assert list(child.methods) == ["own", "stated", "silent", "old"]
    assert {name: m.policy.timeout_ms for name, m in child.methods.items()} == {
        "own": 10,  # its own
        "stated": 20,  # its own, kept through two services
        "silent": 300,  # the child's service, before the parent's 500
        "old": 300,
    }
    assert {name: m.policy.sla.availability for name, m in child.methods.items()} == {
        "own": 98.0, "stated": 99.0, "silent": 98.0, "old": 98.0,
    }  # fmt: skip
    assert child.methods["stated"].policy.attempts == 7
    assert {m.policy.sla.window_s for m in child.methods.values()} == {7 * 86400}
    assert {m.policy.sla.p99_ms for m in child.methods.values()} == {30.0}
    assert {m.policy.priority for m in child.methods.values()} == {Priority.BATCH}
    grandchild = loaded.services["Grandchild"]
    assert {m.policy.priority for m in grandchild.methods.values()} == {Priority.CRITICAL}
    assert grandchild.methods["old"].policy.timeout_ms == 300
    parent = loaded.includes["base"].services["Parent"]
    assert parent.methods["silent"].policy.timeout_ms == 500
    assert parent.methods["silent"].policy.sla.p99_ms is None


def test_a_name_and_an_owner_are_a_services_own(tmp_path: Path) -> None:
    loaded = contract(tmp_path, INHERITING, base=BASE)
    child, grandchild = loaded.services["Child"], loaded.services["Grandchild"]
    assert (child.registry_name, child.owner, child.extends) == ("kid", None, "base.Parent")
    assert (grandchild.registry_name, grandchild.owner) == ("a", None)
    assert {m.registry_name for m in child.methods.values()} == {"kid"}
    assert {m.wire_name for m in child.methods.values()} == {
        "Child::own", "Child::stated", "Child::silent", "Child::old",
    }  # fmt: skip
    root = loaded.includes["base"].services["Root"]
    assert (root.registry_name, root.owner) == ("root", "infra")


def test_fields_parameters_and_exceptions(tmp_path: Path) -> None:
    loaded = contract(
        tmp_path,
        """
        struct A {
          1: optional i32 n (min = "-5", max = "5")
          2: double d (min = "1", max = "2.5"),
          3: required string s (max_length = "3", pattern = "[a-z]+", pii = "true");
          4: list<i32> l (max_length = "0", deprecated = "use s", go.tag = "x", py.bare)
        }
        exception Ours { } (fault = "service")
        exception Theirs { }
        service S { void f(1: i32 p (min = "1")) throws (1: Ours ours, 2: Theirs theirs) }
        """,
    )
    n, d, s, items = loaded.structs["A"].__mesh_fields__  # type: ignore[attr-defined]
    assert (n.min, n.max, n.required, n.type) == (-5, 5, False, "i32")
    assert (d.min, d.max, d.required) == (1.0, 2.5, None)
    assert type(d.min) is float
    assert (s.max_length, s.pattern, s.pii, s.required) == (3, "[a-z]+", True, True)
    assert (items.max_length, items.deprecated, items.type, items.pii) == (0, "use s", "list<i32>", False)
    f = method(loaded, "S::f")
    assert f.parameters[0].min == 1
    assert [(line.id, line.name, line.fault) for line in f.throws] == [
        (1, "ours", FaultOf.SERVICE),
        (2, "theirs", FaultOf.CALLER),
    ]


def on_function(note: str) -> str:
    return f"service S {{ void f() ({note}) }}"


def on_service(note: str) -> str:
    return f"service S {{ void f() }} ({note})"


def on_field(type: str, note: str) -> str:
    return f"struct A {{ 1: {type} x ({note}) }}"


REFUSED = [
    # keys
    ("typo", "unknown annotation 'timout_ms'; did you mean 'timeout_ms'", on_function('timout_ms = "5"')),
    ("unknown", "a function may have attempt_timeout_ms, attempts, deprecated", on_function('zzz = "5"')),
    ("under sla.", "unknown annotation 'sla.p95_ms'; did you mean 'sla.p99_ms'", on_function('sla.p95_ms = "5"')),
    ("no mesh keys there", "a struct may have none", 'struct A {} (zzz = "1")'),
    ("wrong place", "'idempotent' belongs on a function, not on a service", on_service('idempotent = "true"')),
    ("wrong place", "'owner' belongs on a service, not on a function", on_function('owner = "me"')),
    ("wrong place", "'sla.window' belongs on a service", on_function('sla.window = "30d"')),
    ("wrong place", "'fault' belongs on a exception, not on a struct", 'struct A {} (fault = "caller")'),
    ("wrong place", "'pii' belongs on a field", 'exception E {} service S { void f() throws (1: E e (pii = "true")) }'),
    ("on an enum", "unknown annotation 'x'", 'enum E { A } (x = "1")'),
    ("on a member", "unknown annotation 'x'", 'enum E { A (x = "1") }'),
    ("on a typedef", "unknown annotation 'x'", 'typedef i32 T (x = "1")'),
    ("on a constant", "unknown annotation 'x'", 'const i32 C = 1 (x = "1")'),
    ("on a type", "'pii' stands on a type and would be lost", 'struct A { 1: string (pii = "true") x }'),
    ("inside a type", "'pii' stands on a type", 'struct A { 1: list<string (pii = "true")> x }'),
    ("twice", "'timeout_ms' stands twice", on_function('timeout_ms = "5", timeout_ms = "6"')),
    ("bare", "'idempotent' needs a value", on_function("idempotent")),
    # values
    ("flag", 'idempotent = "yes": must be "true" or "false"', on_function('idempotent = "yes"')),
    ("priority", 'must be "critical" or "normal" or "batch"', on_function('priority = "high"')),
    ("fault", 'must be "caller" or "service"', 'exception E {} (fault = "mine")'),
    ("number", "must be a whole number from 1 to 86400000", on_function('timeout_ms = "1s"')),
    ("zero", "must be a whole number from 1", on_function('timeout_ms = "0"')),
    ("negative", "must be a whole number from 1", on_service('timeout_ms = "-5"')),
    ("too many", "must be a whole number from 1 to 10", on_service('attempts = "11"')),
    ("bytes", "from 1 to 33554432", on_function('max_request_bytes = "33554433"')),
    ("unicode digits", "must be a whole number", on_function('timeout_ms = "\u0665"')),
    ("percent", "a percentage above 0 and below 100", on_function('sla.availability = "100"')),
    ("percent", "a percentage above 0 and below 100", on_function('sla.availability = "nan"')),
    ("latency", "milliseconds, above 0", on_function('sla.p99_ms = "0"')),
    ("latency", "milliseconds, above 0", on_function('sla.p99_ms = "inf"')),
    ("window", 'as in "30d"', on_service('sla.window = "30"')),
    ("window", 'as in "30d"', on_service('sla.window = "400d"')),
    ("name", "letters, digits, dots", on_service('name = "a/b"')),
    ("owner", "printable characters", on_service('owner = " "')),
    ("deprecated", "printable characters", on_function('deprecated = ""')),
    ("pattern", "a regular expression of Python's re", on_field("string", 'pattern = "("')),
    ("min", "must be a number", on_field("i32", 'min = "low"')),
    # what does not fit the field
    ("min", "min is for numbers; 'x' is a string", on_field("string", 'min = "1"')),
    ("min on a bool", "min is for numbers", on_field("bool", 'min = "1"')),
    ("max on a list", "max is for numbers; 'x' is a list<i32>", on_field("list<i32>", 'max = "1"')),
    ("fraction", "must be a whole number, as 'x' is an i32", on_field("i32", 'max = "1.5"')),
    ("upside down", "min 5 is above max 3", on_field("i32", 'min = "5", max = "3"')),
    ("max_length", "max_length is for strings, binary and containers", on_field("i32", 'max_length = "3"')),
    ("pattern", "pattern is for strings; 'x' is a binary", on_field("binary", 'pattern = "x"')),
    ("default below", "the default of 'x' is 1, outside", 'struct A { 1: i32 x = 1 (min = "2") }'),
    ("default above", "the default of 'x' is 3, outside", 'struct A { 1: i32 x = 3 (max = "2") }'),
    ("default too long", "longer than its own max_length 1", 'struct A { 1: string x = "ab" (max_length = "1") }'),
    ("default mismatch", "which its own pattern does not match", 'struct A { 1: string x = "ab" (pattern = "a") }'),
    # what does not fit together
    ("hedge", 'needs idempotent = "true"', on_function('hedge = "true"')),
    ("hedge alone", "needs attempts of at least 2", on_function('hedge="true", idempotent="true", attempts="1"')),
    ("attempts", 'executes a call again and needs idempotent = "true"', on_function('attempts = "2"')),
    ("share", "attempt_timeout_ms = 50 is more than timeout_ms = 40", on_function(
        'timeout_ms = "40", attempt_timeout_ms = "50"')),
    ("service's share", "attempt_timeout_ms = 50 is more than timeout_ms = 40", on_service(
        'timeout_ms = "40", attempt_timeout_ms = "50"')),
    ("latencies", "sla.p50_ms = 20 is more than sla.p99_ms = 10", on_function('sla.p50_ms = "20", sla.p99_ms = "10"')),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(tmp_path: Path, reason: str, text: str) -> None:
    error = refusal(tmp_path, "\n\n" + text)
    assert reason in error.reason
    assert error.line == 3


def test_other_tools_annotations_pass(tmp_path: Path) -> None:
    contract(tmp_path, 'struct A { 1: i32 x (cpp.type = "y", go.tag) } (py.z = "1") service S { void f() (js.x="") }')


def test_a_strangers_contract_may_have_keys_of_its_own_but_no_wrong_values() -> None:
    text = 'service S { void f() (ttlMillis = "400", timeout_ms = "700") }'
    assert load_texts({"s.thrift": text}, "s.thrift").services["S"].methods["f"].policy.timeout_ms == 700
    with pytest.raises(ContractError, match="whole number"):
        load_texts({"s.thrift": 'service S { void f() (timeout_ms = "x") }'}, "s.thrift")
