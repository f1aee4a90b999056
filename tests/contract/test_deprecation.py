"""Which deprecated fields a call sets."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.contract import load_texts
from mesh.contract.deprecation import MAX_LOOKED, Deprecated, deprecated_in, finder_of

OLD = Deprecated("Stop.km", "use metres")
TEXT = """
struct Stop { 1: optional double km (deprecated = "use metres"), 2: optional i32 metres, 3: optional list<Stop> via }
struct Leaf { 1: optional i32 n, 2: optional i32 m = 5 (deprecated = "m is gone") }
union Either { 1: Stop stop, 2: Leaf leaf }
struct Clean { 1: optional i32 n }
service Trips {
  void plain(1: Clean clean, 2: list<Clean> more)
  void plan(1: i32 n, 2: Stop stop)
  void many(1: map<string, list<Stop>> stops, 2: set<i32> numbers)
  void keyed(1: Either either)
  void tariff(1: string tariff (deprecated = "by zone now"), 2: i32 n)
  void old(1: i32 n) (deprecated = "use plan")
}
"""
CONTRACT = load_texts({"trips.thrift": TEXT}, "trips.thrift")
trips: Any = CONTRACT.module
SERVICE = CONTRACT.services["Trips"]


def found(method: str, *args: Any) -> list[str]:
    finder = finder_of(SERVICE, SERVICE.methods[method])
    assert finder is not None
    return [each.name for each in finder(args)]


@pytest.mark.parametrize("method", ["plain", "old"])
def test_a_method_without_deprecated_fields_has_no_finder(method: str) -> None:
    assert finder_of(SERVICE, SERVICE.methods[method]) is None


def test_fields_are_found_wherever_they_stand() -> None:
    old, new = trips.Stop(km=1.0), trips.Stop(metres=1000)
    assert found("plan", 1, old) == ["Stop.km"]
    assert found("plan", 1, new) == []
    assert found("plan", 1, None) == []
    assert found("plan", 1, trips.Stop(via=[new, trips.Stop(via=[old])])) == ["Stop.km"]
    assert found("many", {"a": [new], "b": [new, old]}, {1}) == ["Stop.km"]
    assert found("keyed", trips.Either(stop=old)) == ["Stop.km"]
    assert found("keyed", trips.Either(leaf=trips.Leaf(n=1))) == []


def test_a_default_is_not_set() -> None:
    assert found("keyed", trips.Either(leaf=trips.Leaf(m=5))) == []
    assert found("keyed", trips.Either(leaf=trips.Leaf(m=6))) == ["Leaf.m"]


def test_a_parameter() -> None:
    assert found("tariff", "night", 1) == ["tariff(tariff)"]
    assert found("tariff", None, 1) == []


@pytest.mark.parametrize("args", [(), (1,), (1, "x"), (1, [trips.Clean()]), (1, {"km": 1.0}, 3)])
def test_what_breaks_the_contract_is_passed_over(args: tuple[Any, ...]) -> None:
    assert found("plan", *args) == []


def test_a_cycle_and_a_long_list_have_an_end() -> None:
    ring = trips.Stop()
    ring.via = [ring] * 50
    assert found("plan", 1, ring) == []
    late = [trips.Stop()] * (3 * MAX_LOOKED) + [trips.Stop(km=1.0)]
    assert found("plan", 1, trips.Stop(via=late)) == []
    assert found("plan", 1, trips.Stop(via=[trips.Stop(km=1.0)] * (3 * MAX_LOOKED))) == ["Stop.km"]


def test_all_that_is_deprecated() -> None:
    assert [(method.name, each) for method, each in deprecated_in(SERVICE)] == [
        ("plan", OLD),
        ("many", OLD),
        ("keyed", OLD),
        ("keyed", Deprecated("Leaf.m", "m is gone")),
        ("tariff", Deprecated("tariff(tariff)", "by zone now")),
        ("old", Deprecated("", "use plan")),
    ]


def test_fields_of_included_files() -> None:
    texts = {
        "a.thrift": 'include "b.thrift"\nservice A { void put(1: list<b.B> items) }',
        "b.thrift": 'include "c.thrift"\nstruct B { 1: optional c.C c }',
        "c.thrift": 'struct C { 1: optional i32 n (deprecated = "no") }',
    }
    contract = load_texts(texts, "a.thrift")
    service = contract.services["A"]
    finder = finder_of(service, service.methods["put"])
    assert finder is not None
    b: Any = contract.includes["b"].module
    assert [each.name for each in finder(([b.B(c=b.c.C(n=1))],))] == ["C.n"]
