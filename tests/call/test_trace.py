import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.call import trace

ids = st.integers(1, 2**64 - 1)


@given(ids, ids, st.integers(0, 2**64 - 1), st.integers(0, 255))
def test_wire_form_there_and_back(trace_id, span_id, parent_id, flags):
    made = trace.Trace(trace_id, span_id, parent_id, flags)
    back = trace.from_wire(made.to_wire())
    assert len(made.to_wire()) == 25
    assert (back.trace_id, back.span_id, back.parent_id, back.flags) == (trace_id, span_id, parent_id, flags)


def test_wire_order_is_span_parent_trace_flags():
    assert trace.Trace(3, 1, 2, 1).to_wire().hex() == "00000000000000010000000000000002000000000000000301"
    assert trace.from_wire(bytes(25)) is None


@given(st.integers(0, 2**64 - 1), ids, ids, st.booleans())
def test_traceparent_there_and_back(high, low, span, sampled):
    made = trace.Trace(low, span, 0, int(sampled), high)
    back = trace.from_traceparent(made.to_traceparent())
    assert (back.high, back.trace_id, back.span_id, back.sampled) == (high, low, span, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(text):
    assert trace.from_traceparent(text) is None


def test_a_later_version_may_say_more():
    assert trace.from_traceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more") is not None


def test_children():
    rng = random.Random(5)
    root = trace.root(rng)
    assert (root.span_id, root.parent_id) == (root.trace_id, 0)
    child = root.child(rng)
    assert (child.trace_id, child.parent_id) == (root.trace_id, root.span_id)
    assert child.span_id != root.span_id
