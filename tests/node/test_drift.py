"""Two nodes with different contracts: who learns what, and what it costs the calls (nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import generate_latest

from mesh.contract.judge import Judgement, Verdict
from mesh.contract.model import Contract
from mesh.net import Link
from mesh.node import Node
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
    judged = count(caller)
    await caller.client(pricing(OURS)).ping()
    assert judged == []
    assert caller._drift.page() == []
    assert server.health().checks.keys() == {"registered:pricing"}


def count(node: Node, judgement: Judgement | None = None) -> list[str]:
    """Judges on the spot from here on, and notes what was asked for."""
    asked: list[str] = []

    async def judge(link: Link, service: str, ours: Contract) -> Judgement:
        asked.append(link.remote)
        return judgement or Judgement(Verdict.INCOMPATIBLE, (LINE,))

    node._drift._judge = judge
    return asked
