"""Callees whose word about their contract is a lie, a bomb, or nothing: calls go on, the process stays as it was."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest

from mesh.balance import Endpoint, EndpointSet
from mesh.call import Call, Reply
from mesh.contract.judge import Judgement, Verdict, from_json, judge_told, to_json
from mesh.contract.model import Contract
from mesh.net import Route
from mesh.node import Node, judging
from mesh.node import drift as drifts
from mesh.node.announce import HEADER, MAX_CHARS, announced, announcement, short
from mesh.node.drift import MAX_REMEMBERED, MAX_TOLD, MAX_TRIES, Drift
from mesh.node.meta import META, META_SERVICE
from mesh.testing import LocalMesh, no_leaks, virtual_time
from mesh.wire import Limits, PeerInfo
from tests.node.drift_pair import LINE, OURS, TEXT, Handler, pricing

THRIFT_IDL = META_SERVICE.methods["thriftIDL"]
# Within every limit of a text, and half a minute of work.
HEAVY = "struct A { 1: i32 a }\nservice Pricing {" + "".join(f"A m{n}(1: A a)\n" for n in range(40_000)) + "}"


def told(texts: dict[str, str], entry_point: str = "a.thrift") -> bytes:
    """The bytes of an answer to Meta::thriftIDL."""
    return THRIFT_IDL.codec.encode_result(META.module.ThriftIDLs(idls=texts, entryPoint=entry_point))


GARBAGE = {
    "nothing": (b"", "cannot be read"),
    "noise": (b"\xff" * 5000, "cannot be read"),
    "a length of 2 GB": (b"\x0c\0\0\x0d\0\1\x0b\x0b\x7f\xff\xff\xff", "cannot be read"),
    "no IDL": (told({"a.thrift": "\0\x1b[31m((("}), "cannot be used"),
    "deeply nested": (told({"a.thrift": f"typedef {'list<' * 5000}i32{'>' * 5000} T"}), "cannot be used"),
    "brackets": (told({"a.thrift": f"const list<i32> A = {'[' * 20_000}"}), "cannot be used"),
    "a circle": (told({"a.thrift": 'include "a.thrift"'}), "includes in a circle"),
    "a path outside": (told({"../../etc/passwd": ""}, "../../etc/passwd"), "relative path without"),
    "no entry point": (told({"a.thrift": ""}, "b.thrift"), "not among the texts"),
}


@pytest.mark.parametrize(("reply", "said"), GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_contract_is_unknown(reply: bytes, said: str) -> None:
    judgement = judge_told(OURS.texts, OURS.entry_point, reply)
    assert judgement.verdict is Verdict.UNKNOWN
    assert said in judgement.lines[0]
    assert from_json(to_json(judgement)) == judgement


@pytest.mark.parametrize(("limit", "value"), [("JUDGE_CPU_S", 1), ("JUDGE_MEMORY_BYTES", 1024 * 1024)])
async def test_what_takes_too_much_ends_its_own_process_only(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(judging, limit, value)
    async with no_leaks():
        judgement = await judging.judge_apart(OURS, told({"a.thrift": HEAVY}))
    assert judgement.verdict is Verdict.UNKNOWN
    assert "took too much time or memory" in judgement.lines[0]
    assert judgement.cpu_s == judging.JUDGE_CPU_S


async def test_a_judgement_says_what_it_cost() -> None:
    async with no_leaks():
        judgement = await judging.judge_apart(OURS, told(dict(TEXT.texts), TEXT.entry_point))
    assert judgement.lines == (LINE,)
    assert 0 < judgement.cpu_s < judging.JUDGE_CPU_S


@pytest.mark.parametrize(
    ("program", "said"), [("/bin/false", "too much time or memory"), ("/nowhere/python", "can be started")]
)
async def test_no_process_no_verdict(monkeypatch: pytest.MonkeyPatch, program: str, said: str) -> None:
    monkeypatch.setattr(sys, "executable", program)
    async with no_leaks():
        judgement = await judging.judge_apart(OURS, told(dict(TEXT.texts)))
    assert judgement.verdict is Verdict.UNKNOWN
    assert said in judgement.lines[0]


async def test_a_judgement_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "JUDGE_S", 0.001)
    async with no_leaks():
        judgement = await judging.judge_apart(OURS, told(dict(TEXT.texts)))
    assert "took longer than" in judgement.lines[0]


async def test_a_node_that_stops_takes_its_judge_along() -> None:
    async with no_leaks(), LocalMesh() as mesh:
        server = await mesh.node("pricing")
        server.serve(pricing(TEXT), Handler(TEXT))

        async def heavy(call: Call) -> Reply:
            return Reply(body=told({"a.thrift": HEAVY}))

        answering(server, heavy)
        await server.start()
        caller = await mesh.node("rider")
        before = children()
        await caller.client(pricing(OURS)).ping()
        async with asyncio.timeout(60):
            judges: set[psutil.Process] = set()
            while not any(judge.cpu_times().user > 1.5 for judge in judges):  # it has read everything and is at work
                await asyncio.sleep(0.01)
                judges = children() - before
        async with asyncio.timeout(judging.JUDGE_CPU_S - 2):  # it would take longer by itself
            await caller.stop()
        assert not judges & children()


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def answering(node: Node, answer: Callable[[Call], Awaitable[Reply]]) -> None:
    node._serving._routes["pricing", b"Meta::thriftIDL"] = Route(THRIFT_IDL, answer)


async def never(call: Call) -> Reply:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody wakes it")


async def fifty_megabytes(call: Call) -> Reply:
    return Reply(body=bytes(50 * 1024 * 1024))


@pytest.mark.parametrize(
    ("answer", "said"), [(never, "did not tell its contract within"), (fifty_megabytes, "does not tell its contract")]
)
@virtual_time
async def test_calls_go_on_while_a_callee_does_not_tell(answer: Any, said: str) -> None:
    async with LocalMesh() as mesh:
        server = await mesh.node("pricing", limits=Limits(message_bytes=64 * 1024 * 1024))
        server.serve(pricing(TEXT), Handler(TEXT))
        answering(server, answer)
        await server.start()
        caller = await mesh.node("rider")
        client = caller.client(pricing(OURS))
        for _ in range(20):
            assert await client.ping() == 1
        await asyncio.sleep(600)
        (row,) = caller._drift.page()
        assert row["verdict"] == "unknown"
        assert said in str(row["differences"])
        assert caller._drift._pairs[next(iter(caller._drift._pairs))].tries == MAX_TRIES
        assert caller.health().ready is not None
        assert await client.ping() == 1


class Peer:
    """A link of somebody who announces `digest`."""

    def __init__(self, digest: str) -> None:
        self.peer = PeerInfo("127.0.0.1:1", "x", {HEADER: f"pricing={digest}"}, 2)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.remote = digest


@virtual_time
async def test_a_thousand_peers_with_a_contract_each(caplog: pytest.LogCaptureFixture) -> None:
    under_way = most = judged = 0

    class Judge:
        async def fetch(self, link: Any, service: str) -> bytes:
            return str(link.remote).encode()

        async def judge(self, ours: Contract, reply: bytes) -> Judgement:
            nonlocal under_way, most, judged
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.4)
            under_way -= 1
            judged += 1
            return Judgement(Verdict.INCOMPATIBLE, (f"line {reply.decode()}",), cpu_s=0.4)

    loop = asyncio.get_running_loop()
    caller = Node("rider", admin="off", env={})
    async with caller:
        drift = Drift(Judge(), caller.clock)
        endpoints = EndpointSet("pricing", "a test")
        endpoints.update(Endpoint(f"127.0.0.1:{port}") for port in range(1, 1001))
        drift.used("pricing", OURS, endpoints)
        peers = [Peer(f"{number:016x}") for number in range(1, 1001)]
        with caplog.at_level(logging.WARNING):
            started = loop.time()
            for port, peer in enumerate(peers, 1):
                drift.connected(f"127.0.0.1:{port}", peer)  # type: ignore[arg-type]
            await asyncio.sleep(440)
            assert 125 <= judged <= 140  # ten seconds at once, then a tenth of a core
            while judged < 1000:
                await asyncio.sleep(10)
        assert most == 1
        assert loop.time() - started > 3800
        warned = [record for record in caplog.records if "contract drift" in record.getMessage()]
        assert len(warned) == MAX_TOLD + 1
        detail = drift.checks()["contract:pricing"].detail
        assert detail.endswith("| and 995 more contracts")
        for peer in peers:
            peer.gone.set_result("gone")
        await asyncio.sleep(1)
        assert drift.page() == []
        assert drift.checks() == {}
        assert len(drift._pairs) == MAX_REMEMBERED
        assert not drift._at
        assert not drift._links
        await drift.close()


@virtual_time
async def test_a_judge_that_fails_costs_its_verdict_only(caplog: pytest.LogCaptureFixture) -> None:
    class Judge:
        async def fetch(self, link: Any, service: str) -> bytes:
            return b""

        async def judge(self, ours: Contract, reply: bytes) -> Judgement:
            raise RuntimeError("a bug")

    async with Node("rider", admin="off", env={}) as caller:
        drift = Drift(Judge(), caller.clock)
        endpoints = EndpointSet("pricing", "a test")
        endpoints.update([Endpoint("127.0.0.1:1")])
        drift.used("pricing", OURS, endpoints)
        drift.connected("127.0.0.1:1", Peer("0" * 16))  # type: ignore[arg-type]
        await asyncio.sleep(60)
        assert [row["verdict"] for row in drift.page()] == ["unknown"]
        assert caplog.text.count("a bug") >= 1
        await drift.close()


async def test_a_bug_here_keeps_no_call_from_its_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(peer: object, service: str) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(drifts, "announced", broken)
    async with LocalMesh() as mesh:
        await mesh.serve(pricing(TEXT), Handler(TEXT))
        assert await (await mesh.client(pricing(OURS))).ping() == 1
    assert "looking at the contract of pricing at 127.0.0.1:20000 failed" in caplog.text


@virtual_time
async def test_one_that_never_answers_does_not_hold_up_the_others_for_long() -> None:
    """And a new connection to it gets one more try."""
    fetched: list[str] = []

    class Judge:
        async def fetch(self, link: Any, service: str) -> bytes | Judgement:
            fetched.append(link.remote)
            if link.remote == "a" * 16 and len(fetched) < 10:
                await asyncio.sleep(judging.FETCH_S)
                return Judgement(Verdict.UNKNOWN, ("no answer",))
            return b""

        async def judge(self, ours: Contract, reply: bytes) -> Judgement:
            return Judgement(Verdict.COMPATIBLE)

    async with Node("rider", admin="off", env={}) as caller:
        drift = Drift(Judge(), caller.clock)
        endpoints = EndpointSet("pricing", "a test")
        endpoints.update(Endpoint(f"127.0.0.1:{port}") for port in range(1, 10))
        drift.used("pricing", OURS, endpoints)
        drift.connected("127.0.0.1:1", Peer("a" * 16))  # type: ignore[arg-type]
        drift.connected("127.0.0.1:2", Peer("b" * 16))  # type: ignore[arg-type]
        await asyncio.sleep(MAX_TRIES * judging.FETCH_S + 1)
        assert [row["verdict"] for row in drift.page()] == ["unknown", "compatible"]
        assert fetched == ["a" * 16] * MAX_TRIES + ["b" * 16]
        fetched += [""] * 10
        drift.connected("127.0.0.1:3", Peer("a" * 16))  # type: ignore[arg-type]
        await asyncio.sleep(1)
        assert [row["verdict"] for row in drift.page()] == ["compatible"] * 3
        await drift.close()


@pytest.mark.parametrize(
    "header", ["", "pricing", "pricing=", "pricing=xyz", f"pricing={'0' * 17}", "=" * 100_000, "\0=\0", "pricing=\x1b"]
)
def test_an_announcement_is_read_with_care(header: str) -> None:
    assert announced(PeerInfo("h:1", "p", {HEADER: header}, 2), "pricing") is None


def test_an_announcement_fits_the_init_frame() -> None:
    service = OURS.services["Pricing"]
    header = announcement({f"service-{number}": service for number in range(1000)})
    assert len(header[HEADER]) <= MAX_CHARS
    peer = PeerInfo("h:1", "p", header, 2)
    assert announced(peer, "service-0") == short(OURS.digest)
    assert announced(peer, "service-999") is None
    assert announcement({"a name with, an = in it": service}) == {}
