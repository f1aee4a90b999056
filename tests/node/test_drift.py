"""Two nodes with different contracts: who learns what, and what it costs the calls (nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest

from mesh.contract.judge import Judgement
from mesh.contract.model import Contract
from mesh.net import Link
from mesh.node import Node
from mesh.node.announce import announced
from mesh.node.judging import Judging
from mesh.testing import LocalMesh, MemoryNetwork
from tests.node.drift_pair import LINE, MORE, OURS, TEXT, Handler, pricing


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def drifting(node: Node, verdict: str) -> float:
    name = f'rpc_contract_drift{{service="pricing",verdict="{verdict}"}}'
    (line,) = [line for line in generate_latest(node.metrics).decode().splitlines() if line.startswith(name)]
    return float(line.split()[-1])


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "contract drift" in r.getMessage()]


@pytest.fixture
async def mesh() -> AsyncIterator[LocalMesh]:
    async with LocalMesh(MemoryNetwork()) as mesh:
        yield mesh


async def serve(mesh: LocalMesh, served: Contract) -> Node:
    return await mesh.serve(pricing(served), Handler(served))


async def test_an_incompatible_contract_is_told_with_method_field_and_types(
    mesh: LocalMesh, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(mesh, TEXT)
    caller = await mesh.node("rider")
    client = caller.client(pricing(OURS))
    assert await client.ping() == 1
    await until(lambda: drifting(caller, "incompatible") == 1)
    expected = f"contract drift: pricing at {server.address}: {LINE}"
    assert lines(caplog) == [expected]
    health = caller.health()
    assert health.checks["contract:pricing"].detail == expected
    assert health.checks["contract:pricing"].ok
    assert await client.ping() == 1


async def test_peers_given_directly_tell_it_themselves(mesh: LocalMesh, caplog: pytest.LogCaptureFixture) -> None:
    server = await serve(mesh, TEXT)
    caller = Node("rider", network=mesh.network, admin="off", env={})
    async with caller:
        assert await caller.client(pricing(OURS), peers=[server.address]).ping() == 1
        await until(lambda: lines(caplog))
        assert LINE in lines(caplog)[0]


async def test_a_compatible_one_is_a_metric_and_no_more(mesh: LocalMesh, caplog: pytest.LogCaptureFixture) -> None:
    await serve(mesh, MORE)
    caller = await mesh.node("rider")
    await caller.client(pricing(OURS)).ping()
    await until(lambda: drifting(caller, "compatible") == 1)
    assert lines(caplog) == []
    assert "contract:pricing" not in caller.health().checks


async def test_equal_contracts_are_never_fetched(mesh: LocalMesh) -> None:
    server = await serve(mesh, OURS)
    caller = await mesh.node("rider")
    judged = judging_here(caller)
    await caller.client(pricing(OURS)).ping()
    assert judged == []
    assert caller._drift.page() == []
    assert server.health().checks.keys() == {"registered:pricing"}


async def test_rolling_updates_move_the_verdict_along(mesh: LocalMesh, caplog: pytest.LogCaptureFixture) -> None:
    """One address, one contract after the other: told once each, cleared when it is over."""
    caller = await mesh.node("rider")
    asked = judging_here(caller)
    client = caller.client(pricing(OURS))
    for served, verdict in ((TEXT, "incompatible"), (MORE, "compatible"), (TEXT, "incompatible"), (OURS, None)):
        server = await mesh.node("pricing", listen="127.0.0.1:7001")
        server.serve(pricing(served), Handler(served))
        await server.start()
        assert await client.ping() == 1
        if verdict is not None:
            await until(lambda verdict=verdict: drifting(caller, verdict) == 1)
        assert drifting(caller, "incompatible") == (verdict == "incompatible")
        assert ("contract:pricing" in caller.health().checks) == (verdict == "incompatible")
        await server.stop()
        await until(lambda: caller._drift.page() == [])
    assert lines(caplog) == [f"contract drift: pricing at 127.0.0.1:7001: {LINE}"]
    assert asked == [TEXT.digest[:16], MORE.digest[:16]]
    assert "contract:pricing" not in caller.health().checks


async def test_many_instances_of_one_contract_are_one_line(mesh: LocalMesh, caplog: pytest.LogCaptureFixture) -> None:
    caller = await mesh.node("rider")
    asked = judging_here(caller)
    for number in range(5):
        served = await mesh.node(f"pricing-{number}")
        served.serve(pricing(TEXT), Handler(TEXT))
        await served.start()
    client = caller.client(pricing(OURS))
    for _ in range(10):
        await client.ping()
    await until(lambda: drifting(caller, "incompatible") == 5)
    assert asked == [TEXT.digest[:16]]
    assert len(lines(caplog)) == 1
    assert " and 4 more: Pricing::quote" in caller.health().checks["contract:pricing"].detail


async def test_a_client_made_after_the_connection_learns_it_too(mesh: LocalMesh) -> None:
    await serve(mesh, TEXT)
    caller = await mesh.node("rider")
    judging_here(caller)
    await caller.client(pricing(TEXT)).ping()
    assert caller._drift.page() == []
    client = caller.client(pricing(OURS))
    await until(lambda: drifting(caller, "incompatible") == 1)
    await client.ping()


async def test_the_registry_tells_for_peers_that_do_not(mesh: LocalMesh) -> None:
    server = await serve(mesh, TEXT)
    server._doors.announcement = {}
    caller = await mesh.node("rider")
    judging_here(caller)
    client = caller.client(pricing(OURS))
    await client.ping()
    await until(lambda: drifting(caller, "incompatible") == 1)
    (instance,) = (await mesh.registry.services())["pricing"]
    mesh.registry.add(replace(instance, meta={**instance.meta, "digest": OURS.digest}))
    await until(lambda: drifting(caller, "incompatible") == 0)


async def test_a_peer_that_tells_no_digest_is_not_asked(mesh: LocalMesh) -> None:
    server = await serve(mesh, TEXT)
    server._doors.announcement = {}
    async with Node("rider", network=mesh.network, admin="off", env={}) as caller:
        asked = judging_here(caller)
        await caller.client(pricing(OURS), peers=[server.address]).ping()
        assert caller._drift.page() == []
        assert asked == []


def judging_here(node: Node) -> list[str]:
    """Judges on the spot from here on, and notes the digests that it judged."""
    asked: list[str] = []

    class Here(Judging):
        async def fetch(self, link: Link, service: str) -> bytes | Judgement:
            asked.append(announced(link.peer, service) or "")
            return await super().fetch(link, service)

    node._drift._judge = Here("rider", node.clock, apart=False)
    return asked
