"""Lines added to files that people wrote: comments and layout stay, and what cannot be added to is refused."""

from __future__ import annotations

import configparser
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.scaffold import ScaffoldError
from mesh.scaffold.edits import add_to_cluster, add_to_contracts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a comment\n",
        'name = "x"',
        "[services.a]\ninstances = 2 # two\n",
        "[services.a]\r\ninstances = 2\r\n",
        "[services]\na = {instances = 1}\n",
        "services.a.instances = 3\n",
        "[services.a]\n[consul]\nenabled = false\n",
    ],
)
def test_a_table_at_the_end_of_the_cluster(text: str) -> None:
    after = add_to_cluster(text, "pricing")
    assert after.startswith(text)
    assert ("\r" in after) == ("\r" in text)
    before = tomllib.loads(text)
    services = before.pop("services", {})
    assert tomllib.loads(after) == {**before, "services": {**services, "pricing": {"instances": 2}}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services = {}\n", "cannot be added to"),
        ("services = {a = {}}\n", "cannot be added to"),
        ("[services.pricing]\n", "already"),
        ("[[services]]\na = 1\n", "already"),
        ("not toml", "no valid TOML"),
    ],
)
def test_a_cluster_that_cannot_be_added_to(text: str, says: str) -> None:
    with pytest.raises(ScaffoldError, match=says):
        add_to_cluster(text, "pricing")


CONTRACTS = """\
# first
[importlinter:contract:mvcs]
name = within a service
type = layers
containers =
    services.a
    # b is old
# and will go
    services.b

exhaustive = True
layers =
    controllers
    models

[importlinter:contract:strangers]
type = independence
modules =
\tservices.a
\tservices.b
; the end
[importlinter:contract:floors]
type = layers
layers =
    services
    idl
"""


def test_a_line_in_every_contract_that_lists_services() -> None:
    after = add_to_contracts(CONTRACTS, "pricing")
    assert after == CONTRACTS.replace("    services.b\n", "    services.b\n    services.pricing\n", 1).replace(
        "\tservices.b\n", "\tservices.b\n\tservices.pricing\n"
    )


def test_crlf_and_a_missing_last_newline_stay() -> None:
    text = "[importlinter:contract:x]\r\ntype = independence\r\nmodules =\r\n    services.a"
    assert add_to_contracts(text, "pricing") == f"{text}\r\n    services.pricing\r\n"


def test_a_list_on_the_line_of_its_key() -> None:
    text = "[importlinter:contract:x]\ntype: independence\nmodules: services.a\nname = x\n"
    parser = configparser.ConfigParser()
    parser.read_string(add_to_contracts(text, "pricing"))
    assert parser["importlinter:contract:x"]["modules"].split() == ["services.a", "services.pricing"]
    assert parser["importlinter:contract:x"]["name"] == "x"


def test_a_key_in_capitals_is_the_same_key() -> None:
    text = "[importlinter:contract:x]\nType = independence\nModules =\n  services.a\n"
    assert add_to_contracts(text, "pricing") == f"{text}  services.pricing\n"


def test_a_contract_over_all_services_needs_no_line() -> None:
    text = "[importlinter:contract:x]\ntype = independence\nmodules =\n    services.*\n"
    assert add_to_contracts(text, "pricing") == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no import contract"),
        ("[importlinter:contract:x]\ntype = independence\nmodules =\n    mesh.wire\n", "no import contract"),
        ("[importlinter:contract:x]\ntype = independence\n", "no import contract"),
        ("[x]\n[x]\n", "cannot be read"),
        ("no section\n", "cannot be read"),
        ("[importlinter:contract:x] ; y\ntype = independence\nmodules = services.a\n", "cannot be added to"),
    ],
)
def test_contracts_that_cannot_be_added_to(text: str, says: str) -> None:
    with pytest.raises(ScaffoldError, match=says):
        add_to_contracts(text, "pricing")


LINES = st.sampled_from(
    [
        "[importlinter:contract:x]",
        "[importlinter:contract:y]",
        "[other]",
        "type = independence",
        "type = layers",
        "modules =",
        "containers = services.q",
        "modules = services.z",
        "    services.a",
        "\tservices.b",
        "  # note",
        "; note",
        "",
        "name : x",
    ]
)


@given(st.lists(LINES, max_size=14))
def test_an_edit_adds_and_changes_nothing_else(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        after = add_to_contracts(text, "pricing")
    except ScaffoldError:
        return
    kept = [line for line in after.splitlines() if line.strip() != "services.pricing"]
    assert kept == text.splitlines()
