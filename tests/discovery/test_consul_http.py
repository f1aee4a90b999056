"""The HTTP side against a server that misbehaves: what an error says, and what is left behind. Real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from tornado.web import RequestHandler

from mesh.discovery import consul_http
from mesh.discovery.answer import Answer, read_headers
from mesh.discovery.consul_api import ConsulApi
from mesh.discovery.consul_http import REQUEST_TIMEOUT_S, SLACK_S, deadline_s
from mesh.discovery.registry import RegistryError, RegistryRefused
from mesh.testing.leaks import no_leaks
from tests.discovery.conftest import FakeServer, eventually, instance

pytestmark = pytest.mark.integration
TOKEN = "9f6d7a3e-secret-0b1c"


@pytest.mark.parametrize(
    ("params", "seconds"),
    [
        (None, REQUEST_TIMEOUT_S),
        ([("index", 7)], REQUEST_TIMEOUT_S),
        ([("wait", "32s")], REQUEST_TIMEOUT_S),
        ([("index", 7), ("wait", "32s")], 32 + 2 + SLACK_S),
        ([("index", 7), ("wait", "1.6s")], 1.7 + SLACK_S),
    ],
)
def test_a_blocking_query_may_take_its_wait_and_a_bit(params: Any, seconds: float) -> None:
    assert deadline_s(params) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Answer(None)),
        ({"X-Consul-Index": "0"}, Answer(None, index=1)),
        ({"X-Consul-Index": "-5"}, Answer(None, index=1)),
        ({"X-Consul-Index": "9" * 5000}, Answer(None, index=1)),
        ({"X-Consul-Index": "²"}, Answer(None, index=1)),
        ({"X-Consul-Index": "18446744073709551615"}, Answer(None, index=2**64 - 1)),
        (
            {"X-Consul-Index": "7", "X-Consul-KnownLeader": "false", "X-Consul-LastContact": "250"},
            Answer(None, index=7, known_leader=False, last_contact_ms=250),
        ),
        ({"X-Consul-ContentHash": "ab12"}, Answer(None, content_hash="ab12")),
    ],
)
def test_headers(headers: dict[str, str], expected: Answer[None]) -> None:
    assert read_headers(headers, None) == expected


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (500, "No cluster leader", RegistryError, "answered 500: No cluster leader"),
        (503, "x" * 100_000, RegistryError, "answered 503: xxx"),
        (403, "Permission denied", RegistryRefused, "permission denied (Permission denied); check the ACL token"),
        (403, "ACL not found", RegistryRefused, "permission denied (ACL not found)"),
        (401, "ACL support disabled", RegistryRefused, "permission denied"),
        (400, "Invalid index", RegistryRefused, "400 Invalid index"),
        (429, "Your IP is issuing too many concurrent connections", RegistryRefused, "429 Your IP"),
        (200, "<html>not Consul</html>", RegistryError, "no answer of Consul's"),
        (200, "{}", RegistryError, ""),
        (200, '[{"Service": 5}]', RegistryError, "not of Consul's form"),
        (200, '[{"Service": {"Meta": 5}, "Node": {}, "Checks": []}]', RegistryError, "not of Consul's form"),
        (200, "[[]]", RegistryError, "not of Consul's form"),
        (200, "[" * 100_000, RegistryError, ""),
    ],
)
async def test_what_is_no_good_answer_is_an_error_of_one_line(
    server: FakeServer, status: int, body: str, error: type[RegistryError], text: str
) -> None:
    server.says(status, body, X_Consul_Index="5")
    api = ConsulApi("127.0.0.1", server.port)
    with pytest.raises(error) as caught:
        await api.instances("pricing", 0)
    assert type(caught.value) is error
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    await api.close()


async def test_an_answer_without_index_is_an_error(server: FakeServer) -> None:
    server.says(200, "[]")
    api = ConsulApi("127.0.0.1", server.port)
    with pytest.raises(RegistryError):
        await api.instances("pricing", 0)
    await api.close()


async def test_nobody_listens() -> None:
    api = ConsulApi("127.0.0.1", 1)
    with pytest.raises(RegistryError, match="connection refused"):
        await api.instances("pricing", 0)
    await api.close()


async def test_the_token_goes_into_the_header_and_nowhere_else(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "another-one")
    api = ConsulApi("127.0.0.1", server.port, token=TOKEN)
    await api.instances("pricing", 0)
    server.says(200, "{}")
    await api.holds(instance(1))
    await api.register(instance(1), "http://127.0.0.1:1/health")
    await api.deregister("pricing-1")
    assert [request.headers["X-Consul-Token"] for request in server.requests] == [TOKEN] * 4
    assert not any(TOKEN in request.uri or TOKEN.encode() in request.body for request in server.requests)
    await api.close()


async def test_a_redirect_does_not_carry_the_token_away(server: FakeServer) -> None:
    server.says(301, "", Location=f"http://localhost:{server.port}/elsewhere")
    api = ConsulApi("127.0.0.1", server.port, token=TOKEN)
    with pytest.raises(RegistryRefused, match="it redirects"):
        await api.instances("pricing", 0)
    assert len(server.requests) == 1
    await api.close()


async def test_no_environment_redirects_the_requests(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "https://example.invalid:1")
    monkeypatch.setenv("CONSUL_HTTP_SSL", "true")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    api = ConsulApi("127.0.0.1", server.port)
    assert (await api.instances("pricing", 0)).index == 5
    await api.close()


async def test_a_query_asks_for_what_it_needs(server: FakeServer) -> None:
    api = ConsulApi("127.0.0.1", server.port, dc="east", wait_s=7)
    await api.instances("pricing", 42)
    await api.instances("pricing", 0)
    first, second = (request.arguments for request in server.requests)
    assert first == {"index": [b"42"], "wait": [b"7s"], "passing": [b"1"], "stale": [b"1"], "dc": [b"east"]}
    assert "index" not in second
    await api.close()


async def test_a_request_that_hangs_ends_at_its_own_deadline(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul_http, "REQUEST_TIMEOUT_S", 0.2)
    server.answer = server.hangs
    api = ConsulApi("127.0.0.1", server.port)
    before = time.monotonic()
    with pytest.raises(RegistryError, match=r"no answer within 0\.2 s"):
        await api.instances("pricing", 0)
    assert time.monotonic() - before < 5
    await api.close()


async def test_many_queries_block_side_by_side_and_others_still_pass(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(handler: RequestHandler) -> None:
        if "index" in handler.request.arguments:
            await server.hangs(handler)
            return
        handler.set_header("X-Consul-Index", "5")
        handler.write("[]")

    server.answer = answer
    async with no_leaks():
        api = ConsulApi("127.0.0.1", server.port)
        polls = [asyncio.create_task(api.instances(f"s{number}", 5)) for number in range(60)]
        await eventually(lambda: len(server.requests) == 60)
        async with asyncio.timeout(5):
            assert (await api.instances("quick", 0)).index == 5
        for poll in polls:
            poll.cancel()
        await asyncio.wait(polls)
        await eventually(lambda: server.closed_connections == 60)  # whoever stops waiting ends the connection too
        await api.close()
    assert [record for record in caplog.records if record.name.startswith("tornado")] == []


async def test_closing_ends_what_is_under_way(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.answer = server.hangs
    async with no_leaks():
        api = ConsulApi("127.0.0.1", server.port)
        query = asyncio.create_task(api.instances("pricing", 0))
        await eventually(lambda: len(server.requests) == 1)
        await api.close()
        with pytest.raises(RegistryError):
            await query
    assert [record for record in caplog.records if record.name.startswith("tornado")] == []


async def test_an_answer_of_any_size_is_not_read_to_the_end(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul_http, "MAX_BODY_BYTES", 100_000)
    server.says(200, json.dumps(["x" * 1000] * 1000), X_Consul_Index="5")
    api = ConsulApi("127.0.0.1", server.port)
    with pytest.raises(RegistryError):
        await api.instances("pricing", 0)
    await api.close()


@pytest.mark.parametrize(
    ("service", "found"),
    [
        ({"Port": 7001}, [("127.0.0.9", 7001)]),
        ({"Port": 7001, "Address": "10.1.2.3"}, [("10.1.2.3", 7001)]),
        ({"Port": 0}, []),
        ({"Port": 7001, "Meta": {"protocol": "http"}}, []),
        ({"Port": 7001, "Meta": None}, [("127.0.0.9", 7001)]),
    ],
)
async def test_only_what_can_be_called_is_an_instance(
    server: FakeServer, service: dict[str, Any], found: list[tuple[str, int]]
) -> None:
    whole = {"ID": "a", "Service": "pricing", "Address": "", "Meta": {}, "Weights": {"Passing": 3, "Warning": 1}}
    entry = {"Service": whole | service, "Node": {"Address": "127.0.0.9"}, "Checks": [{"Status": "warning"}]}
    server.says(200, json.dumps([entry]), X_Consul_Index="5")
    api = ConsulApi("127.0.0.1", server.port)
    instances = (await api.instances("pricing", 0)).value
    assert [(one.host, one.port) for one in instances] == found
    assert all((one.weight, one.health) == (3, "warning") for one in instances)
    await api.close()
