from __future__ import annotations

import json
from typing import Any

import pytest

from services.gateway.models import Place, Quote, QuoteAsked, Refused, TripAsked
from services.gateway.views import check_empty, to_quote_asked, to_trip_asked, told

A = {"lat": 45.5, "lon": -73.6}
B = {"lat": 45, "lon": -73}
TRIP = {"trip_id": "t1", "rider_id": "r", "pickup": A, "dropoff": B, "hour": 8, "fare_cents": 1250}


def body(**changes: Any) -> bytes:
    return json.dumps({**TRIP, **changes}).encode()


def test_a_trip() -> None:
    asked = TripAsked("t1", "r", Place(45.5, -73.6), Place(45.0, -73.0), 8, 1250)
    assert to_trip_asked(body()) == asked
    assert to_trip_asked(body(trip_id=None)).trip_id is None


def test_a_quote() -> None:
    text = json.dumps({"pickup": A, "dropoff": B}).encode()
    assert to_quote_asked(text) == QuoteAsked(Place(45.5, -73.6), Place(45.0, -73.0), None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colour": 1}, "colour: unknown field; known are trip_id, rider_id"),
        ({"pickup": {**A, "alt": 1}}, "pickup.alt: unknown field"),
        ({"pickup": {"lat": 1}}, "pickup.lon: is missing"),
        ({"pickup": [1, 2]}, "pickup: expected an object, got a list"),
        ({"pickup": {**A, "lat": "45"}}, "pickup.lat: expected a number, got a string"),
        ({"pickup": {**A, "lat": True}}, "pickup.lat: expected a number, got a boolean"),
        ({"pickup": {**A, "lat": 10**400}}, "pickup.lat: too large"),
        ({"hour": True}, "hour: expected an integer, got a boolean"),
        ({"hour": 8.0}, "hour: expected an integer, got a number"),
        ({"hour": None}, "hour: expected an integer, got null"),
        ({"fare_cents": "1250"}, "fare_cents: expected an integer, got a string"),
        ({"rider_id": 7}, "rider_id: expected a string, got a number"),
        ({"trip_id": 7}, "trip_id: expected a string, got a number"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        to_trip_asked(body(**changes))
    assert refused.value.status == 400
    assert refused.value.message.startswith(reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "body: no JSON"),
        (b"{", "body: no JSON"),
        (b"\xff", "body: no JSON"),
        (b"[]", "body: expected an object, got a list"),
        (b"null", "body: expected an object, got null"),
        (b'{"pickup": 1, "pickup": 2}', "pickup: given twice"),
        (b'{"pickup": NaN}', "body: NaN is no JSON"),
        (b'{"hour": ' + b"9" * 10_000 + b"}", "body: no JSON"),
        (b"[" * 100_000, "body: nested too deeply"),
    ],
)
def test_what_is_no_json_object(text: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        to_quote_asked(text)
    assert refused.value.message.startswith(reason)


def test_methods_that_take_nothing() -> None:
    check_empty(b"")
    check_empty(b"{}")
    with pytest.raises(Refused, match="unknown field"):
        check_empty(b'{"a": 1}')


def test_what_is_absent_is_left_out() -> None:
    told_quote = told(Quote(100, "CAD", 1.5, 1.0, None, 8))
    assert told_quote == {"fare_cents": 100, "currency": "CAD", "km": 1.5, "surge": 1.0, "hour": 8}
