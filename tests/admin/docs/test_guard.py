"""Who may call through /docs: the page itself, and nobody else; and what a request may hold."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

import mesh
from mesh.admin import Admin, AdminSources, DocsCalls, DocsSource, Health
from mesh.admin.docs import MAX_CALLS, MAX_REQUEST_BYTES, Asked, CannotCall, Docs, read
from mesh.admin.server import Remote
from mesh.contract.model import Contract
from tests.admin.docs.conftest import Shop

BUY = {"service": "shop", "method": "Shop::buy", "body": {"order": {"count": 1}}}


async def ask(
    address: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    host: str = "",
    more: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request over a socket: status, headers in small letters, body."""
    where, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(where, int(port))
    headers = {"Host": host or address, "Connection": "close", **(more or {})}
    if body:
        headers.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    try:
        async with asyncio.timeout(20):
            head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}, answer


async def token_of(address: str) -> str:
    page = (await ask(address, "/docs"))[2].decode()
    found = re.search(r'name="mesh-token" content="([^"]*)"', page)
    assert found
    return found[1]


async def call(address: str, request: Any, **more: str | None) -> tuple[int, Any]:
    """What the page does, with `more` headers changed; None leaves one out."""
    headers = {
        "Content-Type": "application/json",
        "X-Mesh-Token": await token_of(address),
        "Origin": f"http://{address}",
        "Sec-Fetch-Site": "same-origin",
    } | {key.replace("_", "-"): value for key, value in more.items()}
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    host = headers.pop("Host", "") or ""
    kept = {key: value for key, value in headers.items() if value is not None}
    status, _, answer = await ask(address, "/docs/call", method="POST", body=body, host=host, more=kept)
    return status, json.loads(answer)


def admin_of(node: mesh.Node) -> str:
    assert node.admin is not None
    return node.admin.address


# -- who


@pytest.mark.integration
async def test_the_page_itself_may(node: mesh.Node, handler: Shop) -> None:
    status, said = await call(admin_of(node), BUY)
    assert (status, said["outcome"], said["value"], said["service"]) == (200, "ok", {"count": 1}, "shop")
    assert said["peer"] == node.address
    assert handler.calls == ["buy"]
    assert (await call(admin_of(node), BUY, Origin=None, Sec_Fetch_Site=None))[0] == 200, "not every browser says these"
    port = admin_of(node).rsplit(":", 1)[1]
    assert (await call(admin_of(node), BUY, Host=f"localhost:{port}", Origin=f"http://localhost:{port}"))[0] == 200


REFUSED = {
    "no token": ({"X_Mesh_Token": None}, 403, "must be the token"),
    "another token": ({"X_Mesh_Token": "x" * 43}, 403, "must be the token"),
    "a token beyond ASCII": ({"X_Mesh_Token": "\u00e9"}, 403, "must be the token"),
    "another origin": ({"Origin": "http://evil.example"}, 403, "another page's origin"),
    "a sandbox": ({"Origin": "null"}, 403, "another page's origin"),
    "another port": ({"Origin": "http://127.0.0.1:1"}, 403, "another page's origin"),
    "another site": ({"Sec_Fetch_Site": "cross-site"}, 403, "another site"),
    "a form": ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "send application/json"),
    "text": ({"Content_Type": "text/plain"}, 415, "send application/json"),
    "no type": ({"Content_Type": None}, 415, "send application/json"),
    "a name pointed here": ({"Host": "evil.example", "Origin": "http://evil.example"}, 403, "by its address"),
}


@pytest.mark.integration
@pytest.mark.parametrize(("more", "status", "reason"), REFUSED.values(), ids=REFUSED)
async def test_nobody_else_may(
    node: mesh.Node, handler: Shop, more: dict[str, str | None], status: int, reason: str
) -> None:
    got, said = await call(admin_of(node), BUY, **more)
    assert got == status
    assert reason in said["problem"]
    assert handler.calls == []


@pytest.mark.integration
async def test_a_token_is_not_told_to_a_name(node: mesh.Node) -> None:
    status, _, body = await ask(admin_of(node), "/docs", host="evil.example")
    assert status == 403
    assert b"mesh-token" not in body


@pytest.mark.integration
async def test_every_page_says_what_a_browser_may_do_with_it(node: mesh.Node) -> None:
    for path in ("/docs", "/docs.json", "/docs/docs.js", "/", "/debug/config", "/nowhere"):
        _, headers, _ = await ask(admin_of(node), path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.integration
async def test_calls_are_posted_and_nothing_else_is(node: mesh.Node) -> None:
    for method in ("GET", "PUT", "OPTIONS", "DELETE"):
        assert (await ask(admin_of(node), "/docs/call", method=method))[0] == 405
    assert (await ask(admin_of(node), "/docs", method="POST", body=b"{}"))[0] == 405


@pytest.mark.integration
async def test_it_can_be_switched_off(contract: Contract, handler: Shop) -> None:
    off = {"docs_calls": DocsCalls.OFF, "settle_ms": 0}
    async with mesh.Node("shop", listen="127.0.0.1:0", admin="127.0.0.1:0", **off) as node:
        node.serve(contract.module.Shop, handler)  # type: ignore[attr-defined]
        await node.start()
        assert await token_of(admin_of(node)) == ""
        status, said = await call(admin_of(node), BUY)
        assert (status, said["problem"]) == (403, 'calls from this page are off: docs_calls = "off" (MESH_DOCS_CALLS)')
        shown = json.loads((await ask(admin_of(node), "/docs.json"))[2])
        assert shown["form"]["on"] is False
        assert shown["services"][0]["methods"][0]["example"] == {"order": {"count": 1}}
    assert handler.calls == []


def _source(calls: DocsCalls) -> DocsSource:
    async def call(asked: Asked) -> dict[str, Any]:
        return {"method": asked.method}

    return DocsSource(lambda: {"services": []}, call, calls)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("calls", "remote", "on"),
    [
        (DocsCalls.AUTO, Remote.HEALTH, False),
        (DocsCalls.AUTO, Remote.ALL, False),
        (DocsCalls.ON, Remote.HEALTH, True),
        (DocsCalls.ON, Remote.ALL, True),
    ],
)
async def test_where_others_reach_the_page_calls_must_be_switched_on(
    calls: DocsCalls, remote: Remote, on: bool
) -> None:
    from prometheus_client import CollectorRegistry

    sources = AdminSources(lambda: Health(True, True, "x"), CollectorRegistry(), dict, dict, dict)
    async with Admin("0.0.0.0:0", sources, remote=remote, docs=_source(calls)) as admin:
        address = f"127.0.0.1:{admin.address.rsplit(':', 1)[1]}"
        assert bool(await token_of(address)) is on
        status, said = await call(address, BUY)
        assert (status == 200) is on, said
        status, said = await call(address, BUY, Host="admin.example", Origin="http://admin.example")
        assert status == 403, "a name can be anybody's, whoever else may see the pages"


# -- what


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "the request: "),
        (b"[", "not JSON"),
        (b"[]", "expected an object"),
        (b"{}", "service and method are needed"),
        (b'{"service": "a", "service": "b"}', "stands twice"),
        (b'{"service": 1, "method": "m"}', "'service' is unknown, or 1 does not fit it"),
        (b'{"service": "a", "method": "m", "body": []}', "'body'"),
        (b'{"service": "a", "method": "m", "timeout_ms": true}', "'timeout_ms'"),
        (b'{"service": "a", "method": "m", "timeout_ms": 0}', "from 1 to 60000"),
        (b'{"service": "a", "method": "m", "timeout_ms": 60001}', "from 1 to 60000"),
        (b'{"service": "a", "method": "m", "timeout_ms": 1e999}', "from 1 to 60000"),
        (b'{"service": "a", "method": "m", "headers": {"a": 1}}', "keys and values are text"),
        (b'{"service": "a", "method": "m", "peer": "x"}', "'peer' is unknown"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_request_that_makes_no_call_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CannotCall) as caught:
        read(data)
    assert reason in str(caught.value)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"service": "other"}, "'other' is not served here; shop is"),
        ({"method": "Shop::by"}, "shop has no method 'Shop::by'; it has Shop::buy"),
        ({"method": "Meta::health"}, "shop has no method 'Meta::health'"),
        ({"body": {}}, "the body: order: missing"),
        ({"body": {"order": {"count": "1"}}}, "the body: order.count: expected an integer"),
        ({"headers": {"$mesh$x": "y"}}, "headers: "),
        ({"headers": {"": "y"}}, "headers: "),
    ],
)
async def test_what_does_not_fit_the_contract_is_said(
    node: mesh.Node, handler: Shop, change: dict[str, Any], reason: str
) -> None:
    status, said = await call(admin_of(node), BUY | change)
    assert status == 400
    assert reason in said["problem"]
    assert handler.calls == []


@pytest.mark.integration
async def test_a_large_request_is_cut_off(node: mesh.Node, handler: Shop) -> None:
    note = "a" * (MAX_REQUEST_BYTES - 1000)
    status, said = await call(admin_of(node), BUY | {"body": {"order": {"count": 1, "note": note}}})
    assert status == 200, "as large as it may be, and refused by the contract alone"
    assert said["outcome"] == "bad_request"
    token = await token_of(admin_of(node))
    headers = {"Content-Type": "application/json", "X-Mesh-Token": token, "Content-Length": str(MAX_REQUEST_BYTES + 1)}
    assert (await ask(admin_of(node), "/docs/call", method="POST", body=b"{", more=headers))[0] == 400
    headers["Content-Type"] = "text/plain"  # refused before any of the body came
    assert (await ask(admin_of(node), "/docs/call", method="POST", body=b"{", more=headers))[0] == 415
    assert handler.calls == []


async def test_a_few_calls_at_a_time() -> None:
    free = asyncio.Event()

    async def wait(asked: Asked) -> dict[str, Any]:
        await free.wait()
        return {}

    docs = Docs(DocsSource(dict, wait), loopback=True)
    data = json.dumps(BUY).encode()
    waiting = [asyncio.create_task(docs.answer(data)) for _ in range(MAX_CALLS)]
    await asyncio.sleep(0)
    assert (await docs.answer(data)).status == 429
    free.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * MAX_CALLS
    assert (await docs.answer(data)).status == 200


async def test_an_answer_that_no_page_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    async def much(asked: Asked) -> dict[str, Any]:
        return {"value": "x" * 2000}

    monkeypatch.setattr("mesh.admin.docs.MAX_ANSWER_BYTES", 1000)
    answer = await Docs(DocsSource(dict, much), loopback=True).answer(json.dumps(BUY).encode())
    assert answer.status == 502
    assert b"bytes of JSON, the page shows 1000" in answer.body


@pytest.mark.integration
async def test_a_call_whose_asker_goes_away_is_given_up(node: mesh.Node, handler: Shop) -> None:
    request = {"service": "shop", "method": "Shop::wait", "body": {"seconds": 50}, "timeout_ms": 60_000}
    asking = asyncio.create_task(call(admin_of(node), request))
    await asyncio.wait_for(handler.waiting.wait(), 20)
    asking.cancel()
    await asyncio.wait_for(handler.given_up.wait(), 20)
    assert (await call(admin_of(node), BUY))[0] == 200


@pytest.mark.integration
async def test_a_node_that_does_not_listen_yet_says_so(contract: Contract, handler: Shop) -> None:
    async with mesh.Node("shop", listen="127.0.0.1:0", admin="127.0.0.1:0", settle_ms=0) as node:
        node.serve(contract.module.Shop, handler)  # type: ignore[attr-defined]
        before: list[Any] = []
        node.on_start(lambda: _early(node, before))
        await node.start()
        assert before[0][0] == 400
        assert "does not listen yet" in before[0][1]["problem"]


async def _early(node: mesh.Node, before: list[Any]) -> None:
    before.append(await call(admin_of(node), BUY))
