"""Names: what Python, Thrift, the registry and the templates' own code all take."""

from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.contract import load_texts
from mesh.scaffold import ScaffoldError, names
from mesh.scaffold.templates import Kind, Values, render


@pytest.mark.parametrize("name", ["pricing", "trip_log", "v2_api", "a", "x1", "match", "type", "n" * 30])
def test_names_that_fit(name: str) -> None:
    names.check_service(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("trip-log", "such as trip_log"),
        ("TripLog", "such as trip_log"),
        ("Pricing", "such as pricing"),
        ("trip log", "such as trip_log"),
        ("", "not ''"),
        ("9lives", "not '9lives'"),
        ("_private", "such as private"),
        ("a__b", "such as a_b"),
        ("../evil", "such as evil"),
        ("caf\u00e9", "such as caf"),
        ("n" * 31, "at most 30"),
        ("class", "keyword of Python"),
        ("interface", "Thrift"),
        ("struct", "Thrift"),
        ("consul", "something else"),
        ("service", "Thrift"),
        ("models", "something else"),
        ("remote", "something else"),
        ("mesh", "something else"),
        ("node", "something else"),  # join(node) of __main__
        ("controller", "something else"),
        ("pytest", "something else"),
        ("str", "something else"),
        ("greeting", "something else"),  # the service Greeting beside the struct Greeting
        ("no_name", "something else"),
    ],
)
def test_names_that_do_not_fit(name: str, says: str) -> None:
    with pytest.raises(ScaffoldError) as refused:
        names.check_service(name)
    assert says in f"{refused.value} {refused.value.advice}"


@given(st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){0,2}", fullmatch=True) | st.sampled_from(keyword.kwlist))
@example("n" * names.MAX_SERVICE)
def test_whatever_fits_makes_a_contract_and_python_that_compiles(name: str) -> None:
    try:
        names.check_service(name)
    except ScaffoldError:
        return
    values = Values(project="p", service=name, camel=names.camel(name), owner="team")
    files = {**render(Kind.PROJECT, values), **render(Kind.SERVICE, values)}
    contract = load_texts({f"{name}.thrift": files[f"idl/{name}.thrift"]}, f"{name}.thrift")
    assert contract.services[names.camel(name)].registry_name == name
    for path, text in files.items():
        assert "{{" not in text
        assert path.endswith(".pyi") or max(map(len, text.splitlines())) <= 120
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("name", ["shop", "My-Shop_2", "9", "a" * 40])
def test_projects_that_fit(name: str) -> None:
    names.check_project(name)


@pytest.mark.parametrize("name", ["", ".", "..", "-shop", "sh op", "sh/op", "a" * 41, "caf\u00e9", "shop\n"])
def test_projects_that_do_not_fit(name: str) -> None:
    with pytest.raises(ScaffoldError, match="a project's name"):
        names.check_project(name)


@pytest.mark.parametrize("owner", ["money", "Team Rot-Weiß", "a&b (eu)", "x@example"])
def test_owners_that_fit(owner: str) -> None:
    names.check_owner(owner)


@pytest.mark.parametrize("owner", ["", " ", 'a"b', "a\\b", "a\nb", "a" * 101, "{{owner}}"])
def test_owners_that_would_break_the_contract(owner: str) -> None:
    with pytest.raises(ScaffoldError, match="an owner"):
        names.check_owner(owner)


def test_the_words_of_thrift_are_words() -> None:
    assert len(names.THRIFT_WORDS) > 100
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", word) for word in names.THRIFT_WORDS)
