"""Deprecated methods and fields: the caller's developer is warned, the server counts by caller."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

import pytest
from prometheus_client import generate_latest

from mesh.contract import load_texts
from mesh.contract.deprecation import Deprecated
from mesh.node.client import Client
from mesh.node.meta import META_SERVICE
from mesh.node.usage import MAX_ENTRIES, Usage
from mesh.testing import LocalMesh

TEXT = """
struct Request { 1: optional double km (deprecated = "use metres"), 2: optional i32 metres, 3: optional string note }
service Pricing {
  i32 quote(1: Request request)
  i32 old(1: i32 n) (deprecated = "use quote")
  i32 plain(1: i32 n)
}
"""
CONTRACT = load_texts({"pricing.thrift": TEXT}, "pricing.thrift")
pricing: Any = CONTRACT.module


class Pricing:
    async def quote(self, request: Any) -> int:
        return 1

    def old(self, n: int) -> int:  # in a thread
        assert threading.current_thread() is not threading.main_thread()
        return n

    async def plain(self, n: int) -> int:
        return n


async def test_a_deprecated_method_warns_where_it_is_called() -> None:
    async with LocalMesh() as mesh:
        await mesh.serve(pricing.Pricing, Pricing())
        client = await mesh.client(pricing.Pricing)
        with pytest.warns(DeprecationWarning, match="Pricing::old is deprecated: use quote") as caught:
            assert await client.old(3) == 3
        assert [one.filename for one in caught] == [__file__]


async def test_once_for_each_call_site_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with LocalMesh() as mesh:
        await mesh.serve(pricing.Pricing, Pricing())
        client = await mesh.client(pricing.Pricing)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(3):
                await client.old(n=1)
            await client.old(2)
    assert len(caught) == 2
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "deprecated method called: Pricing::old: use quote"
    ]


async def test_a_deprecated_field_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    async with LocalMesh() as mesh:
        await mesh.serve(pricing.Pricing, Pricing())
        client = await mesh.client(pricing.Pricing)
        await client.quote(pricing.Request(metres=5))  # a warning would be an error here
        text = "Request.km, set in a call of Pricing::quote, is deprecated: use metres"
        with pytest.warns(DeprecationWarning, match=text) as caught:
            await client.quote(request=pricing.Request(km=5.0))
        assert caught[0].filename == __file__
        await client.quote(pricing.Request(km=5.0))
    line = "deprecated field set: Request.km in Pricing::quote: use metres"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [line]


async def test_what_has_nothing_deprecated_is_left_alone() -> None:
    async with LocalMesh() as mesh:
        node = await mesh.serve(pricing.Pricing, Pricing())
        client = await mesh.client(pricing.Pricing)
        assert isinstance(client, Client)
        assert not hasattr(client.plain, "__wrapped__")
        assert hasattr(client.old, "__wrapped__")
        handler = Pricing()
        service = pricing.Pricing.__mesh_service__
        usage = node._usage
        assert usage.watched("pricing", service, service.methods["plain"], handler.plain) == handler.plain


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_server_counts_by_caller() -> None:
    async with LocalMesh() as mesh:
        node = await mesh.serve(pricing.Pricing, Pricing())
        for caller, calls in (("rider", 2), ("fleet", 1)):
            client = (await mesh.node(caller)).client(pricing.Pricing)
            for _ in range(calls):
                await client.quote(pricing.Request(km=1.0))
                await client.quote(pricing.Request(metres=1))
                await client.plain(1)
                await client.old(1)
        uses = node._usage.uses("pricing")
        assert [(use.method, use.what.name, use.caller, use.calls) for use in uses] == [
            ("Pricing::old", "", "rider", 2),
            ("Pricing::quote", "Request.km", "rider", 2),
            ("Pricing::old", "", "fleet", 1),
            ("Pricing::quote", "Request.km", "fleet", 1),
        ]
        text = generate_latest(node.metrics).decode()
        assert (
            'rpc_deprecated_uses_total{caller="rider",field="Request.km",method="Pricing::quote",service="pricing"} 2.0'
        ) in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_meta_tells_it_over_rpc() -> None:
    async with LocalMesh() as mesh:
        await mesh.serve(pricing.Pricing, Pricing())
        node = await mesh.node("rider")
        await node.client(pricing.Pricing).old(1)
        reply = await node.call(META_SERVICE.methods["deprecatedUse"], (), service="pricing")
        told = reply.value
        assert [(one.method, one.field, one.reason) for one in told.things] == [
            ("Pricing::quote", "Request.km", "use metres"),
            ("Pricing::old", None, "use quote"),
        ]
        (use,) = told.callers
        assert (use.method, use.field, use.caller, use.calls) == ("Pricing::old", None, "rider", 1)
        assert told.since_ms <= use.last_seen_ms


def test_labels_are_bounded() -> None:
    usage = Usage(max_callers=3, wall=lambda: 5.0)
    for number in range(10):
        usage.count("pricing", "Pricing::old", Deprecated("", "x"), f"caller-{number}")
    assert [(use.caller, use.calls) for use in usage.uses("pricing")] == [
        ("other", 7), ("caller-0", 1), ("caller-1", 1), ("caller-2", 1)
    ]  # fmt: skip


def test_entries_are_bounded() -> None:
    usage = Usage(max_callers=100, wall=lambda: 5.0)
    for number in range(300):
        for caller in range(100):
            usage.count("pricing", f"Pricing::m{number}", Deprecated("", "x"), f"caller-{caller}")
    uses = usage.uses("pricing")
    assert sum(use.calls for use in uses) == 30_000
    assert len(uses) <= MAX_ENTRIES + 300
