"""A line is one line, bounded, knows its call and shows no pii."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import logs
from mesh.call.call import Call
from mesh.call.context import context_var, serving
from mesh.call.trace import Trace
from mesh.contract.model import Field, Method, Policy


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [one for one in root.handlers if isinstance(one, logs.MeshHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def _in_call() -> Iterator[None]:
    method = Method("Pricing", "quote", "Pricing::quote", "pricing", (), None, (), False, Policy(), SimpleNamespace())
    call = Call(method, b"", service="pricing", caller="rider", trace=Trace(0xABC, 0xDEF))
    token = context_var.set(serving(call))
    yield
    context_var.reset(token)


log = logging.getLogger("city.pricing")


def _one(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_json_outside_a_call() -> None:
    stream = io.StringIO()
    logs.setup("json", "info", stream, "node")
    log.debug("too low")
    log.warning("surge is %.1f", 2.5, extra={"zone": "west", "count": 3})
    line = _one(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "city.pricing",
        "service": "node",
        "msg": "surge is 2.5",
        "zone": "west",
        "count": 3,
    }


@pytest.mark.usefixtures("_in_call")
def test_json_inside_a_call() -> None:
    stream = io.StringIO()
    logs.setup("json", "info", stream, "node")
    log.info("x")
    line = _one(stream)
    assert line["trace"] == f"{0:016x}{0xABC:016x}"
    assert line["span"] == f"{0xDEF:016x}"
    assert (line["service"], line["caller"], line["method"]) == ("pricing", "rider", "Pricing::quote")


@pytest.mark.usefixtures("_in_call")
def test_text_inside_a_call() -> None:
    stream = io.StringIO()
    logs.setup("text", "info", stream, "node")
    log.info("priced", extra={"zone": "west"})
    (line,) = stream.getvalue().splitlines()
    assert " INFO    pricing priced " in line
    assert "caller=rider" in line
    assert f"trace={0:016x}{0xABC:016x}" in line
    assert line.endswith("zone=west")


def test_an_extra_cannot_pose_as_the_trace() -> None:
    stream = io.StringIO()
    logs.setup("json", "info", stream, "node")
    log.info("x", extra={"service": "other", "level": "none"})
    assert (_one(stream)["service"], _one(stream)["level"]) == ("node", "info")


def test_a_stack_is_one_field_in_json_and_indented_lines_in_text() -> None:
    def fail() -> None:
        try:
            raise RuntimeError("boom\n12:00:00.000 INFO node forged")
        except RuntimeError:
            log.exception("failed")

    stream = io.StringIO()
    logs.setup("json", "info", stream)
    fail()
    assert "RuntimeError: boom" in _one(stream)["exc"]
    stream = io.StringIO()
    logs.setup("text", "info", stream)
    fail()
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    | ") for line in rest)


@pytest.mark.parametrize("format", ["json", "text"])
@given(text=st.text(max_size=60))
def test_nobody_outside_writes_a_line(format: str, text: str) -> None:
    stream = io.StringIO()
    logs.setup(format, "info", stream, "node")
    log.info("got %s", text, extra={"header": text})
    written = stream.getvalue()
    assert written.endswith("\n")
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written
    if format == "json":
        assert json.loads(written)["header"] == text


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_line_is_bounded(format: str) -> None:
    stream = io.StringIO()
    logs.setup(format, "info", stream, "node")
    extra = {f"key{index}": "z" * 100_000 for index in range(100)}
    try:
        raise RuntimeError("y" * 1_000_000)
    except RuntimeError:
        log.exception("x" * 1_000_000, extra=extra)
    most = logs.MAX_MESSAGE_CHARS + logs.MAX_STACK_CHARS + logs.MAX_EXTRAS * (logs.MAX_EXTRA_CHARS + 100) + 1000
    assert len(stream.getvalue()) < most
    assert "characters left out" in stream.getvalue()


def test_arguments_that_do_not_fit_cost_no_line() -> None:
    record = logging.makeLogRecord({"msg": "%d apples", "args": ("many",)})
    line = json.loads(logs.JsonFormatter().format(record))
    assert line["msg"].startswith("%d apples (arguments do not fit")


@pytest.mark.parametrize(
    ("stream", "env", "begins", "coloured"),
    [(io.StringIO, {}, "{", False), (Terminal, {}, "2", True), (Terminal, {"NO_COLOR": "1"}, "2", False)],
)
def test_auto(stream: type[io.StringIO], env: dict[str, str], begins: str, coloured: bool, monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    made = stream()
    logs.setup("auto", "info", made)
    log.error("x")
    text = made.getvalue()
    assert (text[0] == "{") == (begins == "{")
    assert ("\x1b[31m" in text) == coloured


def test_setup_again_takes_the_place() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.setup("json", "info", first)
    logs.setup("json", "info", second)
    log.info("x")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_a_reader_that_went_away_is_not_told_about(capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    logs.setup("json", "info", Gone())
    log.info("x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("format", "level"), [("xml", "info"), ("json", "loud")])
def test_unknown_settings(format: str, level: str) -> None:
    with pytest.raises(ValueError, match=r"xml|loud"):
        logs.setup(format, level, io.StringIO())


class Card:
    __mesh_fields__ = (Field(1, "number", "string", True, pii=True), Field(2, "network", "string", False))

    def __init__(self, number: str, network: str | None = None) -> None:
        self.number, self.network = number, network


class Rider:
    __mesh_fields__ = (
        Field(1, "name", "string", True, pii=True),
        Field(2, "cards", "list<Card>", False),
        Field(3, "by_zone", "map<string,Card>", False),
        Field(4, "friend", "Rider", False),
        Field(5, "by_card", "map<Card,i32>", False),
    )

    def __init__(self, **values: Any) -> None:
        for field in self.__mesh_fields__:
            setattr(self, field.name, values.get(field.name))


def test_masked() -> None:
    card = Card("4111", "visa")
    rider = Rider(name="Ann", cards=[card], by_zone={"west": card}, by_card={card: 1})
    rider.friend = Rider(name="Bob")
    hidden = {"number": "***", "network": "visa"}
    assert logs.masked(rider) == {
        "name": "***",
        "cards": [hidden],
        "by_zone": {"west": hidden},
        "friend": {"name": "***"},
        "by_card": {str(hidden): 1},
    }
    rider.friend = rider
    assert "Ann" not in str(logs.masked(rider))
    with pytest.raises(TypeError, match="str is no struct"):
        logs.masked("x")


def test_a_struct_as_an_extra_is_masked() -> None:
    stream = io.StringIO()
    logs.setup("json", "info", stream)
    log.info("x", extra={"card": Card("4111", "visa"), "cards": [Card("4111")]})
    assert _one(stream)["card"] == {"number": "***", "network": "visa"}
    assert "4111" not in stream.getvalue()
