from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from services.audit import Audit
from services.demo import show
from services.demo.__main__ import arguments, main, promises
from services.demo.figures import Tally, admins, between, quantile_ms, table, tallies

TEXT = """\
# HELP rpc_client_calls_total Calls finished
# TYPE rpc_client_calls_total counter
rpc_client_calls_total{caller="gateway",service="pricing",method="Pricing::quote",outcome="ok"} 90.0
rpc_client_calls_total{caller="trips",service="pricing",method="Pricing::quote",outcome="declared"} 6.0
rpc_client_calls_total{caller="trips",service="pricing",method="Pricing::quote",outcome="timeout"} 4.0
# TYPE rpc_client_latency_seconds histogram
rpc_client_latency_seconds_bucket{service="pricing",method="Pricing::quote",le="0.01"} 50.0
rpc_client_latency_seconds_bucket{service="pricing",method="Pricing::quote",le="0.02"} 98.0
rpc_client_latency_seconds_bucket{service="pricing",method="Pricing::quote",le="1.0"} 100.0
rpc_client_latency_seconds_bucket{service="pricing",method="Pricing::quote",le="+Inf"} 100.0
rpc_client_attempt_calls_total{caller="x",service="pricing",method="Pricing::quote",outcome="ok"} 999.0
rpc_server_calls_total{caller="x",service="pricing",method="Pricing::quote",outcome="ok"} 999.0
"""
QUOTE = ("pricing", "Pricing::quote")


def test_one_nodes_figures_beside_the_promise() -> None:
    (line,) = table(tallies(TEXT), {QUOTE: (20.0, 200.0)})
    assert (line.calls, line.errors, line.declared) == (100, 4, 6)
    assert line.p50_ms == pytest.approx(10)
    assert line.p99_ms == pytest.approx(20 + 980 / 2)
    assert not line.kept
    assert table(tallies(TEXT), {QUOTE: (20.0, 600.0)})[0].kept
    assert table(tallies(TEXT), {})[0].kept


@pytest.mark.parametrize(
    ("buckets", "q", "ms"),
    [
        ({}, 0.5, None),
        ({0.1: 0, float("inf"): 0}, 0.5, None),
        ({0.1: 10, 0.2: 10, float("inf"): 10}, 0.5, 50),
        ({0.1: 0, 0.2: 10, float("inf"): 10}, 0.5, 150),
        ({0.1: 1, 0.2: 1, float("inf"): 10}, 0.99, 200),
        ({0.1: 10, float("inf"): 10}, 1.0, 100),
    ],
)
def test_quantiles(buckets: dict[float, float], q: float, ms: float | None) -> None:
    assert quantile_ms(buckets, q) == (None if ms is None else pytest.approx(ms))


def tally(ok: float) -> Tally:
    return Tally({"ok": ok}, {0.1: ok, float("inf"): ok})


def test_only_what_came_in_between_counts() -> None:
    old = {"a": {QUOTE: tally(10)}, "b": {QUOTE: tally(7)}, "gone": {QUOTE: tally(5)}}
    new = {"a": {QUOTE: tally(25)}, "b": {QUOTE: tally(3)}, "new": {QUOTE: tally(4)}}
    total = between(old, new)[QUOTE]
    assert total.outcomes == {"ok": 15 + 3 + 4}  # b restarted: it counts from zero
    assert total.buckets[0.1] == 22


def test_methods_that_nobody_called_are_left_out() -> None:
    assert table(between({"a": {QUOTE: tally(10)}}, {"a": {QUOTE: tally(10)}}), {}) == []


def test_every_method_of_the_city_has_a_promise() -> None:
    assert len(promises()) == 14
    assert [key for key, (_, p99) in promises().items() if p99 is None] == []


def test_admin_addresses_of_the_state_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"services": {"a": [{"admin": "h:1"}, {"admin": None}], "b": [{"admin": "h:2"}]}}))
    assert admins(file) == ["h:1", "h:2"]


def printed(*problems: str, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=110, no_color=True)
    show.figures(console, table(tallies(TEXT), {QUOTE: (20.0, 200.0)}))
    show.books(console, Audit("run", 3, {"charged": 2, "unmatched": 1}, 2, 500, 500, 500, problems))
    with show.progress(console, 20) as done:
        for _ in range(20):
            done()
    return out.getvalue()


def test_what_is_printed() -> None:
    text = printed()
    assert "every trip is accounted for" in text
    assert "2 charged, 1 unmatched" in text
    assert "510.0 !" in text  # a promise that was not kept
    assert text.count("trips: ") == 10
    assert "\x1b" not in text


def test_problems_are_printed() -> None:
    text = printed(*(f"t{number}: lost" for number in range(25)))
    assert "t19: lost" in text
    assert "t20: lost" not in text
    assert "and 5 more" in text
    assert "25 things do not add up" in text


def test_a_terminal_gets_a_bar() -> None:
    assert "20/20" in printed(terminal=True)


@pytest.mark.parametrize("argv", [[], ["--gateway", "http://x"], ["--state", "x", "--trips", "0"]])
def test_wrong_usage(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESH_STATE", raising=False)
    with pytest.raises(SystemExit) as stopped:
        arguments(argv)
    assert stopped.value.code == 2


async def test_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await main(arguments(["--state", str(tmp_path / "state.json")])) == 2
    assert "mesh up" in capsys.readouterr().err
