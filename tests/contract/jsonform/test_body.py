"""JSON to the contract's values and back: nothing guessed, every refusal with its path."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh.contract
from mesh.contract.jsonform.body import BodyError, arguments, from_json, parse
from mesh.contract.jsonform.example import example
from mesh.contract.jsonform.show import to_json
from mesh.contract.jsonform.spec import args_class, result_spec
from mesh.contract.model import Contract, Service

IDL = """
enum Colour { RED = 1, BLUE = 5 }
struct Stop { 1: required double lat (min = "-90", max = "90"), 2: optional string note (pii = "true") }
union Payment { 1: string card, 2: i32 cash }
struct Node { 1: required i32 value, 2: optional list<Node> children }
struct Link {
  1: required double length (min = "10", max = "20")
  2: optional double weight (max = "0.5")
  3: optional Link onward
}
struct All {
  1: optional bool yes
  2: optional i8 tiny
  3: optional i16 small
  4: optional i32 mid
  5: optional i64 large
  6: optional double real
  7: optional string text (pattern = "[0-9]{4}-[0-9]{2}-[0-9]{2}")
  8: optional binary raw
  9: optional Colour colour
  10: optional list<Stop> stops (max_length = "3")
  11: optional set<Colour> colours
  12: optional map<i32, Stop> by_number
  13: optional map<Colour, string> by_colour
  14: optional map<string, bool> by_name
  15: optional Payment payment
  16: optional Node tree
  17: optional set<list<i32>> sets
  18: optional map<bool, double> by_bool
  19: optional Link link
}
struct Request { 1: required i32 count = 2, 2: required list<Stop> stops, 3: optional string city }
exception Bad { 1: required string why, 2: optional string who (pii = "true") }
service Things {
  All all(1: All request)
  void two(1: required i32 a, 2: optional string b)
  Request send(1: Request request) throws (1: Bad bad)
  void none()
}
"""


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    path = tmp_path_factory.mktemp("idl") / "things.thrift"
    path.write_text(IDL)
    return mesh.contract.load(path)


@pytest.fixture(scope="module")
def things(contract: Contract) -> Service:
    return contract.services["Things"]


def _args(things: Service, name: str, body: Any) -> tuple[Any, ...]:
    method = things.methods[name]
    return arguments(args_class(things, method), method.parameters, body)


EVERYTHING: dict[str, Any] = {
    "yes": True,
    "tiny": -128,
    "small": 32767,
    "mid": -(2**31),
    "large": 2**63 - 1,
    "real": 0.5,
    "text": "2026-01-31",
    "raw": "AP8=",
    "colour": "BLUE",
    "stops": [{"lat": 1.0}, {"lat": -2.0, "note": "home"}],
    "colours": ["BLUE", "RED"],
    "by_number": {"-5": {"lat": 0.0}},
    "by_colour": {"RED": "r"},
    "by_name": {"x": False},
    "payment": {"cash": 3},
    "tree": {"value": 1, "children": [{"value": 2, "children": []}]},
    "sets": [[1, 2], [3]],
    "link": {"length": 12.0, "onward": {"length": 13.0}},
    "by_bool": {"true": 1.0, "false": 2.0},
}


def test_everything_there_over_the_wire_and_back(things: Service) -> None:
    method = things.methods["all"]
    values = _args(things, "all", {"request": EVERYTHING})
    decoded = method.codec.decode_args(method.codec.encode_args(values))
    shown = to_json(result_spec(things, method), decoded[0], show_pii=True)
    assert shown == EVERYTHING
    assert _args(things, "all", {"request": json.loads(json.dumps(shown))}) == values


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        ("colour", 5, "BLUE"),
        ("by_number", [[-5, {"lat": 0}]], {"-5": {"lat": 0.0}}),
        ("by_colour", {"1": "r"}, {"RED": "r"}),
        ("by_colour", [["BLUE", "b"], [1, "r"]], {"BLUE": "b", "RED": "r"}),
        ("real", 3, 3.0),
        ("real", "Infinity", "Infinity"),
        ("real", "NaN", "NaN"),
        ("mid", None, None),
    ],
)
def test_other_ways_to_say_it(things: Service, field: str, value: Any, same: Any) -> None:
    (made,) = _args(things, "all", {"request": {field: value}})
    shown = to_json(result_spec(things, things.methods["all"]), made, show_pii=True)
    assert shown == ({} if same is None else {field: same})


@pytest.mark.parametrize(
    ("method", "body", "complaint"),
    [
        ("send", [], "expected an object of the parameters request, got []"),
        ("send", {}, "request: missing: the method's parameter of type things.Request"),
        ("two", {"a": None}, "a: missing: the method's parameter of type i32"),
        ("send", {"reqest": {}}, "reqest: no such parameter; did you mean 'request'?"),
        (
            "send",
            {"stops": []},
            'stops: no such parameter; the body is by parameter: {"request": {"stops": ...}}',
        ),
        ("send", {"request": {}}, "request.stops: missing: Request requires it (list<things.Stop>)"),
        (
            "send",
            {"request": {"stops": [], "cty": "x"}},
            "request.cty: Request has no such field; did you mean 'city'?",
        ),
        (
            "send",
            {"request": {"stops": [{"lat": 1}, {"lat": "x"}]}},
            'request.stops[1].lat: expected a number, got "x"',
        ),
        ("send", {"request": {"stops": {}}}, "request.stops: expected a list, got {}"),
        ("send", {"request": "x"}, 'request: expected an object (Request), got "x"'),
        ("none", {"x": 1}, "x: no such parameter; it has none"),
        ("all", {"request": {"yes": 1}}, "request.yes: expected true or false, got 1"),
        ("all", {"request": {"mid": True}}, "request.mid: expected an integer of 32 bits, got true"),
        ("all", {"request": {"mid": 1.0}}, "request.mid: expected an integer of 32 bits, got 1.0"),
        ("all", {"request": {"tiny": 128}}, "request.tiny: 128 does not fit 8 bits"),
        ("all", {"request": {"large": 2**63}}, f"request.large: {2**63} does not fit 64 bits"),
        ("all", {"request": {"real": 10**400}}, f"request.real: 1{'0' * 56}... does not fit a double"),
        ("all", {"request": {"text": 1}}, "request.text: expected text, got 1"),
        ("all", {"request": {"raw": "%%"}}, 'request.raw: expected base64 text, got "%%"'),
        ("all", {"request": {"colour": "GREEN"}}, "request.colour: Colour has no 'GREEN'; it has RED, BLUE"),
        ("all", {"request": {"colour": 2}}, "request.colour: Colour has no 2; it has RED = 1, BLUE = 5"),
        ("all", {"request": {"colour": True}}, "request.colour: expected one of RED, BLUE or its number, got true"),
        ("all", {"request": {"colours": ["RED", 1]}}, "request.colours: a set holds each value once, one stands twice"),
        ("all", {"request": {"by_number": {"x": {}}}}, 'request.by_number["x"] key: expected an integer of 32 bits'),
        ("all", {"request": {"by_number": {"5": {}}}}, 'request.by_number["5"].lat: missing'),
        (
            "all",
            {"request": {"by_number": [[1, 2, 3]]}},
            "request.by_number: expected an object or a list of [key, value]",
        ),
        ("all", {"request": {"by_colour": {"RED": "a", "1": "b"}}}, 'request.by_colour["1"]: the key stands twice'),
        (
            "all",
            {"request": {"payment": {"card": "x", "cash": 1}}},
            "request.payment: Payment is a union: give exactly one of card, cash, got 2",
        ),
        (
            "all",
            {"request": {"payment": {}}},
            "request.payment: Payment is a union: give exactly one of card, cash, got 0",
        ),
    ],
)
def test_refusals_name_the_place(things: Service, method: str, body: Any, complaint: str) -> None:
    with pytest.raises(BodyError) as caught:
        _args(things, method, body)
    assert str(caught.value).startswith(complaint)


def test_a_default_and_an_optional_parameter_may_be_left_out(things: Service) -> None:
    (request,) = _args(things, "send", {"request": {"stops": []}})
    assert request.count == 2
    assert _args(things, "two", {"a": 1}) == (1, None)
    assert _args(things, "send", {"request": None}) == (None,)  # neither required nor optional: an explicit null
    assert _args(things, "none", {}) == ()


def test_pii_shows_only_when_asked_for(things: Service, contract: Contract) -> None:
    method = things.methods["send"]
    (request,) = _args(things, "send", {"request": {"stops": [{"lat": 1, "note": "home"}]}})
    assert to_json(result_spec(things, method), request)["stops"] == [{"lat": 1.0, "note": "***"}]


def test_depth_is_bounded(things: Service) -> None:
    tree: dict[str, Any] = {"value": 1}
    for _ in range(200):
        tree = {"value": 1, "children": [tree]}
    with pytest.raises(BodyError, match="nested deeper than 64"):
        _args(things, "all", {"request": {"tree": tree}})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON: .* at line 1, column 2"),
        ("nul", "not JSON"),
        ("NaN", "NaN is no JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "not JSON that can be read"),
    ],
)
def test_what_is_no_json(text: str, complaint: str) -> None:
    with pytest.raises(BodyError, match=complaint):
        parse(text)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["all", "two", "send", "none"])
def test_an_example_is_taken(things: Service, name: str, full: bool) -> None:
    method = things.methods[name]
    body = example(args_class(things, method), method.parameters, full=full)
    values = _args(things, name, json.loads(json.dumps(body)))
    assert method.codec.decode_args(method.codec.encode_args(values)) == values


def test_a_full_example_has_every_field(things: Service) -> None:
    method = things.methods["all"]
    body = example(args_class(things, method), method.parameters, full=True)
    assert set(body["request"]) == set(EVERYTHING)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "idl").glob("*.thrift")), ids=lambda path: path.stem
)
def test_the_citys_examples_are_taken(path: Path) -> None:
    for service in mesh.contract.load(path).services.values():
        for method in service.methods.values():
            body = example(args_class(service, method), method.parameters)
            values = arguments(args_class(service, method), method.parameters, body)
            method.codec.encode_args(values)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(EVERYTHING)), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(EVERYTHING)), _json, max_size=3))
def test_whatever_comes_is_taken_whole_or_refused(things: Service, body: dict[str, Any]) -> None:
    spec = result_spec(things, things.methods["all"])
    try:
        made = from_json(spec, body, "request")
    except BodyError as error:
        assert error.path.startswith("request")  # noqa: PT017
        return
    shown = to_json(spec, made, show_pii=True)
    again = from_json(spec, shown, "request")
    assert set(shown) == {key for key, value in body.items() if value is not None}
    real = shown.get("real")
    if real != "NaN":
        assert again == made
    assert real is None or isinstance(real, str) or math.isfinite(real)
