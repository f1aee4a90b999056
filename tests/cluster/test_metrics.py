"""Calls per second and p99 out of Prometheus texts."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from mesh.cluster.metrics import BUCKETS, calls_per_s, quantile_ms, read


def text(calls, buckets):
    lines = [f'rpc_server_calls_total{{service="a",method="{m}",outcome="ok"}} {n}' for m, n in calls.items()]
    lines += [f'rpc_server_latency_seconds_bucket{{method="m",le="{le}"}} {n}' for le, n in buckets.items()]
    return "# HELP x\nother_total 5\n" + "\n".join(lines) + "\n"


NONE = {"0.1": 0, "0.2": 0, "+Inf": 0}


def test_rate_over_all_methods():
    old, new = read(text({"a": 10, "b": 5}, NONE), 100.0), read(text({"a": 30, "b": 15}, NONE), 102.0)
    assert calls_per_s(old, new) == 15.0


def test_a_restarted_process_has_no_rate():
    old, new = read(text({"a": 10}, NONE), 100.0), read(text({"a": 3}, NONE), 102.0)
    assert calls_per_s(old, new) is None


@pytest.mark.parametrize(
    ("after", "q", "ms"),
    [
        ({"0.1": 100, "0.2": 100, "+Inf": 100}, 0.99, 99.0),
        ({"0.1": 50, "0.2": 100, "+Inf": 100}, 0.5, 100.0),
        ({"0.1": 50, "0.2": 100, "+Inf": 100}, 0.75, 150.0),
        ({"0.1": 50, "0.2": 100, "+Inf": 200}, 0.99, 200.0),  # beyond the last bound: the bound is all that is known
        ({"0.1": 0, "0.2": 0, "+Inf": 0}, 0.99, None),
    ],
)
def test_quantile_within_the_bucket(after, q, ms):
    assert quantile_ms(read(text({}, NONE), 0.0), read(text({}, after), 1.0), q) == (ms and pytest.approx(ms))


def test_only_the_calls_between_the_readings_count():
    old = {"0.1": 1000, "0.2": 1000, "+Inf": 1000}
    new = {"0.1": 1000, "0.2": 1010, "+Inf": 1010}
    assert quantile_ms(read(text({}, old), 0.0), read(text({}, new), 1.0), 0.5) == pytest.approx(150.0)


def test_what_the_real_library_writes():
    registry = CollectorRegistry()
    calls = Counter("rpc_server_calls", "x", ["caller", "service", "method", "outcome"], registry=registry)
    latency = Histogram(
        "rpc_server_latency_seconds", "x", ["service", "method"], buckets=[0.01, 0.1], registry=registry
    )
    before = read(generate_latest(registry).decode(), 0.0)
    for _ in range(100):
        calls.labels('ca"ll\ner', "s", "m", "ok").inc()
        latency.labels("s", "m").observe(0.05)
    after = read(generate_latest(registry).decode(), 2.0)
    assert calls_per_s(before, after) == 50.0
    assert 10 < quantile_ms(before, after, 0.99) <= 100


def test_labels_that_look_like_others_and_a_timestamp():
    page = (
        'rpc_server_calls_total{caller="x\\",le=\\"7\\"} 99",method="m"} 3 1700000000000\n'
        'rpc_server_latency_seconds_bucket{caller="a}b,le=\\"9\\"",le="0.5"} 4\n'
    )
    assert (read(page, 0.0).calls, dict(read(page, 0.0).buckets)) == (3, {0.5: 4})


@pytest.mark.parametrize("line", ["rpc_server_calls_total{} ", "rpc_server_calls_total{} x", f'{BUCKETS}{{a="b"}} 1'])
def test_what_is_no_such_page_is_refused(line):
    with pytest.raises((ValueError, IndexError)):
        read(line, 0.0)


def test_a_page_without_the_families():
    assert read("hello\n", 0.0).calls == 0
    assert read("", 0.0).buckets == {}
