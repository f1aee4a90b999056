"""`mesh call`, `describe`, `list` and `health` against a served contract: answers, failures, exit codes."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from pathlib import Path

import pytest

import mesh
from mesh.cli import exits
from mesh.errors import (
    EXIT_DECLARED,
    BadRequest,
    CallTimeout,
    Unexpected,
    UnknownMethod,
    UnknownService,
    Unreachable,
)
from tests.cli.conftest import Run

pytestmark = pytest.mark.integration


async def test_an_answer(run: Run, shop: mesh.Node) -> None:
    body = '{"order": {"count": 2, "colour": "BLUE", "phone": "555"}}'
    ran = await run("call", "shop", "Shop::buy", body, "--peer", shop.address)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {"count": 2, "colour": "BLUE", "phone": "***"}
    ran = await run("call", "shop", "buy", body, "--peer", shop.address, "--show-pii")
    assert json.loads(ran.out)["phone"] == "555"


async def test_void_and_strings_and_included_types(run: Run, shop: mesh.Node) -> None:
    ran = await run("call", "shop", "Shop::wait", '{"seconds": 0}', "--peer", shop.address)
    assert (ran.code, ran.out) == (0, "null\n")
    ran = await run("call", "shop", "Shop::where", "--peer", shop.address)
    assert json.loads(ran.out) == [{"city": "Montréal"}]


async def test_headers_go_and_come(run: Run, shop: mesh.Node) -> None:
    there = ("--peer", shop.address, "--header", "tenant=a=b", "--caller", "tester")
    ran = await run("call", "shop", "Shop::echo", '{"header": "tenant"}', *there)
    assert (ran.code, ran.out) == (0, '"a=b"\n')
    assert ran.err.startswith("seen-by: tester\ntrace: 0")


async def test_json_has_everything(run: Run, shop: mesh.Node) -> None:
    ran = await run("call", "shop", "Shop::echo", '{"header": "x"}', "--peer", shop.address, "--json")
    answer = json.loads(ran.out)
    assert answer.pop("elapsed_ms") > 0
    trace = answer.pop("trace")
    assert int(trace, 16) > 0
    assert answer == {
        "outcome": "ok",
        "service": "shop",
        "method": "Shop::echo",
        "value": "",
        "headers": {"seen-by": "mesh-cli", "trace": trace},
        "peer": shop.address,
    }


async def test_the_body_from_stdin(run: Run, shop: mesh.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"seconds": 0}'))
    assert (await run("call", "shop", "Shop::wait", "-", "--peer", shop.address)).code == 0


async def test_each_failure_has_its_code_and_says_what_to_do(run: Run, shop: mesh.Node, registry: str) -> None:
    there = ("--registry", registry)
    wrong_field = await run("call", "shop", "Shop::buy", '{"order": {"cuont": 1}}', *there)
    assert wrong_field.code == BadRequest.kind.exit
    assert "order.cuont: Order has no such field; did you mean 'count'?" in wrong_field.err
    assert "mesh describe shop" in wrong_field.err

    broken_rule = await run("call", "shop", "Shop::buy", '{"order": {"count": 0}}', *there)
    assert broken_rule.code == BadRequest.kind.exit
    assert "order.count" in broken_rule.err

    unknown_method = await run("call", "shop", "Shop::bye", "{}", *there)
    assert unknown_method.code == UnknownMethod.kind.exit
    assert "did you mean Shop::buy?" in unknown_method.err

    unknown_service = await run("call", "shpo", "Shop::buy", "{}", *there)
    assert unknown_service.code == UnknownService.kind.exit
    assert "did you mean 'shop'?" in unknown_service.err
    assert "mesh list" in unknown_service.err

    dead_peer = await run("call", "ghost", "Shop::buy", "{}", *there)
    assert dead_peer.code == Unreachable.kind.exit
    assert "ghost Shop::buy at 127.0.0.1:1: unreachable" in dead_peer.err

    started = time.monotonic()
    too_late = await run("call", "shop", "Shop::wait", '{"seconds": 30}', "--timeout", "80", *there)
    assert too_late.code == CallTimeout.kind.exit
    assert "(limit 80 ms)" in too_late.err
    assert time.monotonic() - started < 20

    declared = await run("call", "shop", "Shop::buy", '{"order": {"count": 101}}', *there)
    assert declared.code == EXIT_DECLARED
    assert json.loads(declared.out) == {"SoldOut": {"what": "apples"}}
    assert "answered with SoldOut" in declared.err

    crashed = await run("call", "shop", "Shop::crash", *there)
    assert crashed.code == Unexpected.kind.exit
    assert "a secret" not in crashed.err
    every = (wrong_field, unknown_method, unknown_service, dead_peer, too_late, declared, crashed)
    assert len({ran.code for ran in every}) == len(every)
    assert all(ran.err.count("\n") <= 2 and "Traceback" not in ran.err for ran in every)


async def test_a_timeout_as_json_tells_the_limit_that_was_asked_for(run: Run, shop: mesh.Node) -> None:
    wait = ("call", "shop", "Shop::wait", '{"seconds": 30}', "--timeout", "80", "--json")
    ran = await run(*wait, "--peer", shop.address)
    answer = json.loads(ran.out)
    assert (answer["outcome"], answer["peer"], answer["error"]["limit_ms"]) == ("timeout", shop.address, 80)


async def test_what_cannot_be_sent_is_refused(run: Run, shop: mesh.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ("--peer", shop.address)
    oneway = await run("call", "shop", "Shop::shout", '{"text": "x"}', *there)
    assert oneway.code == BadRequest.kind.exit
    assert "oneway" in oneway.err
    surrogate = await run("call", "shop", "Shop::echo", r'{"header": "\ud800"}', *there)
    assert surrogate.code == BadRequest.kind.exit
    header = await run("call", "shop", "Shop::echo", '{"header": "x"}', "--header", "x=\udcff", *there)
    assert header.code in (exits.USAGE, BadRequest.kind.exit)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    stdin = await run("call", "shop", "Shop::echo", "-", *there)
    assert stdin.code == exits.USAGE
    assert "not text" in stdin.err


@pytest.mark.parametrize(
    ("service", "method", "body", "outcome"),
    [
        ("shop", "Shop::bye", "{}", "unknown_method"),
        ("shop", "Shop::buy", '{"order": 1}', "bad_request"),
        ("shpo", "Shop::buy", "{}", "unknown_service"),
        ("ghost", "Shop::buy", "{}", "unreachable"),
        ("shop", "Shop::crash", "{}", "unexpected"),
    ],
)
async def test_failures_as_json(
    run: Run, shop: mesh.Node, registry: str, service: str, method: str, body: str, outcome: str
) -> None:
    ran = await run("call", service, method, body, "--registry", registry, "--json")
    answer = json.loads(ran.out)
    assert answer["outcome"] == outcome
    assert answer["error"]["exit"] == ran.code != 0
    assert answer["error"]["advice"]
    assert "SERVICE" not in answer["error"]["advice"]  # it names the one that was asked
    assert answer["value"] is None


async def test_a_declared_exception_as_json(run: Run, shop: mesh.Node) -> None:
    ran = await run("call", "shop", "Shop::buy", '{"order": {"count": 101}}', "--peer", shop.address, "--json")
    answer = json.loads(ran.out)
    assert ran.code == EXIT_DECLARED
    assert answer["outcome"] == "declared"
    assert answer["exception"] == {"name": "SoldOut", "fault": "service", "fields": {"what": "apples"}}


async def test_an_unknown_service_at_a_peer(run: Run, shop: mesh.Node) -> None:
    ran = await run("call", "shpo", "Shop::buy", "{}", "--peer", shop.address)
    assert ran.code == UnknownService.kind.exit
    assert "served here: shop" in ran.err


async def test_a_registry_that_is_down(run: Run) -> None:
    for command in (("call", "shop", "Shop::buy"), ("list",), ("health", "shop")):
        ran = await run(*command, "--registry", "consul://127.0.0.1:1")
        assert ran.code == Unreachable.kind.exit
        assert "the registry did not answer" in ran.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("call", "shop", "Shop::buy", '{"a'), "the body: not JSON"),
        (("call", "shop", "Shop::buy", "--header", "x"), "expected KEY=VALUE"),
        (("call", "shop", "Shop::buy", "--header", "$rpc$-x=1"), "reserved"),
        (("call", "shop", "Shop::buy", "--timeout", "0"), "expected from 1 to 3600000 milliseconds"),
        (("call", "shop", "Shop::buy", "--peer", "nonsense"), "expected HOST:PORT"),
        (("call", "shop", "Shop::buy", "--idl", "none.thrift"), "none.thrift"),
        (("call", "shop", "Shop::buy"), "no registry is named and no dev cluster runs"),
        (("call", "shop", "Shop::buy", "--registry", "zk://x"), "unknown registry zk://"),
        (("describe",), "say which SERVICE"),
    ],
)
async def test_wrong_usage(run: Run, arguments: tuple[str, ...], part: str) -> None:
    more = (
        () if "--peer" in arguments or part.startswith(("no reg", "unknown reg", "say")) else ("--peer", "127.0.0.1:1")
    )
    ran = await run(*arguments, *more)
    assert (ran.code, ran.out) == (exits.USAGE, "")
    assert part in ran.err


async def test_example(run: Run, shop: mesh.Node, idl: Path) -> None:
    ran = await run("call", "shop", "Shop::buy", "--example", "--peer", shop.address)
    assert json.loads(ran.out) == {"order": {"count": 1}}
    ran = await run("call", "shop", "Shop::buy", "--example", "--full", "--idl", str(idl))
    assert json.loads(ran.out) == {"order": {"count": 1, "colour": "RED", "phone": "phone"}}


async def test_describe(run: Run, shop: mesh.Node, idl: Path) -> None:
    ran = await run("describe", "shop", "--peer", shop.address)
    assert ran.code == 0
    assert "Shop::buy(shop.Order order) -> shop.Order  throws SoldOut (fault: service)" in ran.out
    assert "owner retail" in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("buy"))
    assert row.split()[:2] == ["buy", "5000"]
    assert "50 ms" in row
    assert "99.5 % over 30 d" in row
    assert "3: optional string phone  (pii)" in ran.out
    assert "struct places.Place" in ran.out
    assert "enum shop.Colour  RED = 1, BLUE = 5" in ran.out
    assert (await run("describe", "--idl", str(idl))).out == ran.out


async def test_describe_as_json(run: Run, idl: Path) -> None:
    described = json.loads((await run("describe", "--idl", str(idl), "--json")).out)
    buy = described["services"]["Shop"]["methods"]["Shop::buy"]
    assert buy["policy"]["timeout_ms"] == 5000
    assert buy["policy"]["sla"]["p99_ms"] == 50
    assert buy["throws"] == [
        {"id": 1, "name": "sold_out", "exception": "SoldOut", "type": "shop.SoldOut", "fault": "service"}
    ]
    assert described["structs"]["places.Place"]["fields"][0]["name"] == "city"


async def test_list(run: Run, shop: mesh.Node, registry: str) -> None:
    ran = await run("list", "--registry", registry)
    assert ran.code == 0
    head, ghost, line = ran.out.splitlines()
    assert head.split() == ["SERVICE", "INSTANCE", "ADDRESS", "HEALTH", "ZONE", "VERSION", "OWNER"]
    assert ghost.split() == ["ghost", "127.0.0.1:1", "127.0.0.1:1", "unreachable", "-", "-", "-"]
    assert line.split() == ["shop", shop.address, shop.address, "ok", "west", "7", "-"]
    listed = json.loads((await run("list", "--registry", registry, "--json")).out)
    assert [(one["service"], one["ok"]) for one in listed] == [("ghost", False), ("shop", True)]


async def test_list_of_plain_addresses(run: Run, shop: mesh.Node) -> None:
    ran = await run("list", "--registry", f"static://{shop.address}")
    assert ran.out.splitlines()[1].split()[3:5] == ["not", "asked"]


async def test_health(run: Run, shop: mesh.Node, registry: str) -> None:
    ran = await run("health", "shop", "--registry", registry)
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == [shop.address, shop.address, "ok", "ok"]
    ran = await run("health", "ghost", "--registry", registry)
    assert ran.code == exits.NO
    assert "unreachable" in ran.out
    ran = await run("health", "shpo", "--registry", registry)
    assert ran.code == UnknownService.kind.exit
    assert "did you mean 'shop'?" in ran.err
    ran = await run("health", "shop", "--peer", shop.address, "--json")
    assert json.loads(ran.out)[0]["ok"] is True


async def test_an_instance_that_drains_is_told(run: Run, shop: mesh.Node) -> None:
    shop._state = "stopping"  # as between SIGTERM and the closed door
    try:
        ran = await run("health", "shop", "--peer", shop.address)
    finally:
        shop._state = "ready"
    assert ran.code == exits.NO
    assert ran.out.splitlines()[1].split()[2:] == ["ok", "no:", "the", "node", "is", "stopping"]


@pytest.mark.parametrize("protocol", ["framed", "multiplexed", "theader"])
async def test_framed_thrift(run: Run, shop: mesh.Node, idl: Path, protocol: str) -> None:
    there = ("--peer", shop.address, "--idl", str(idl), "--protocol", protocol)
    ran = await run("call", "shop", "Shop::buy", '{"order": {"count": 2}}', *there, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["value"]["count"] == 2
    declared = await run("call", "shop", "Shop::buy", '{"order": {"count": 101}}', *there)
    assert declared.code == EXIT_DECLARED
    late = await run("call", "shop", "Shop::wait", '{"seconds": 5}', *there, "--timeout", "100")
    assert late.code == CallTimeout.kind.exit
    headers = await run("call", "shop", "Shop::echo", '{"header": "k"}', *there, "--header", "k=v")
    assert headers.code == (0 if protocol == "theader" else BadRequest.kind.exit)
    without = await run("call", "shop", "Shop::buy", "{}", "--peer", shop.address, "--protocol", protocol)
    assert without.code == exits.USAGE
    assert "--idl FILE" in without.err


@pytest.mark.parametrize("debug", [True, False])
async def test_the_debug_mark_needs_a_process_in_debug_mode(run: Run, tmp_path: Path, debug: bool) -> None:
    (tmp_path / "slow.thrift").write_text('service Slow { string wait() (timeout_ms = "200") }')
    module = mesh.load(tmp_path / "slow.thrift").module

    class Slow:
        async def wait(self) -> str:
            await asyncio.sleep(0.5)
            return "done"

    async with mesh.Node("slow", listen="127.0.0.1:0", admin="off", env={}, debug=debug) as node:
        node.serve(module.Slow, Slow())
        await node.start()
        ran = await run("call", "slow", "Slow::wait", "--debug", "--peer", node.address)
        both = await run("call", "slow", "Slow::wait", "--debug", "--timeout", "100", "--peer", node.address)
    if debug:
        assert (ran.code, ran.out, ran.err) == (0, '"done"\n', "")
    else:
        assert ran.code == 20
        assert "a process on the way is not in debug mode" in ran.err
    assert both.code == 2
    assert "say one of the two" in both.err
