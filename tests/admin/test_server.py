"""The admin side over a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from mesh.admin import Admin, AdminSources, Check, Health, Route, dump, json_answer, server

pytestmark = pytest.mark.integration


class State:
    live, ready = True, True

    def health(self) -> Health:
        return Health(self.live, self.ready, "pricing", "1.2", {"registry": Check(self.ready, "not yet")})


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
async def admin(state: State) -> AsyncIterator[Admin]:
    metrics = CollectorRegistry()
    Counter("things", "Things.", registry=metrics).inc(3)

    def broken() -> Any:
        raise RuntimeError("secret text")

    sources = AdminSources(
        health=state.health,
        metrics=metrics,
        peers=lambda: {"pricing": [{"address": "127.0.0.1:1", "object": object}]},
        connections=broken,
        config=lambda: {"token": "***"},
    )
    async with Admin("127.0.0.1:0", sources, routes=(Route("/debug/more", "more", lambda: json_answer([1])),)) as made:
        yield made


async def _ask(admin: Admin, path: str, *, host: str | None = None, method: str = "GET", more: str = "") -> Any:
    """Status, headers and body of one request."""
    address, port = admin.address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(address, int(port))
    lines = f"{method} {path} HTTP/1.1\r\nHost: {host or admin.address}\r\nConnection: close\r\n{more}\r\n"
    writer.write(lines.encode())
    try:
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    first, *headers = head.decode().split("\r\n")
    pairs = dict(line.lower().split(": ", 1) for line in headers)
    return int(first.split()[1]), pairs, body


@pytest.mark.parametrize(
    ("live", "ready", "health", "alive"), [(True, True, 200, 200), (True, False, 503, 200), (False, True, 503, 503)]
)
async def test_health(admin: Admin, state: State, live: bool, ready: bool, health: int, alive: int) -> None:
    state.live, state.ready = live, ready
    status, _, body = await _ask(admin, "/health")
    assert status == health
    assert json.loads(body) == {
        "live": live,
        "ready": ready,
        "name": "pricing",
        "version": "1.2",
        "checks": {"registry": {"ok": ready, "detail": "not yet"}},
    }
    assert (await _ask(admin, "/health/live"))[0] == alive


async def test_pages(admin: Admin) -> None:
    status, headers, body = await _ask(admin, "/metrics")
    assert (status, b"things_total 3.0" in body) == (200, True)
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert json.loads((await _ask(admin, "/debug/config"))[2]) == {"token": "***"}
    assert json.loads((await _ask(admin, "/debug/more"))[2]) == [1]
    assert b"<class 'object'>" in (await _ask(admin, "/debug/peers"))[2]
    status, headers, body = await _ask(admin, "/")
    assert status == 200
    assert b'<a href="/debug/more">' in body
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


async def test_stack_shows_tasks_to_their_innermost_await_and_threads(admin: Admin) -> None:
    gate, release = asyncio.Event(), threading.Event()

    async def inner_most() -> None:
        await gate.wait()

    async def outer() -> None:
        await inner_most()

    tasks = [asyncio.create_task(outer(), name=f"stuck-{index}") for index in range(3)]
    thread = threading.Thread(target=release.wait, name="a-thread")
    thread.start()
    await asyncio.sleep(0)
    try:
        text = (await _ask(admin, "/debug/stack"))[2].decode()
    finally:
        gate.set()
        release.set()
        await asyncio.gather(*tasks)
        thread.join()
    assert "3 x stuck-0, stuck-1, stuck-2" in text
    block = text.split("3 x stuck-0")[1].split("\n\n")[0]
    assert block.index("outer") < block.index("inner_most") < block.index("Event.wait")
    assert "thread a-thread" in text


async def test_many_tasks_are_counted_and_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "MAX_EXAMINED", 10)
    gate = asyncio.Event()
    tasks = [asyncio.create_task(gate.wait()) for _ in range(50)]
    await asyncio.sleep(0)
    text = dump.dump_stacks()
    gate.set()
    await asyncio.gather(*tasks)
    assert text.startswith("51 tasks, of which 10 were looked at, ")


async def test_garbage_harms_nobody(admin: Admin) -> None:
    address, port = admin.address.rsplit(":", 1)
    for garbage in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"x" * 200_000, b"\x16\x03\x01\x02\x00\x01"):
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(garbage)
        writer.write_eof()
        try:
            assert b" 200 " not in await reader.read()
        except ConnectionError:
            pass  # cut off, which is as good
        writer.close()
    assert (await _ask(admin, "/health"))[0] == 200


async def test_a_page_that_fails_tells_no_text_and_takes_no_other_along(
    admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status, _, body = await _ask(admin, "/debug/connections")
    assert status == 500
    assert body == b"/debug/connections failed: RuntimeError; the log has the stack\n"
    assert "secret text" in caplog.text
    assert (await _ask(admin, "/health"))[0] == 200


async def test_what_is_no_page(admin: Admin) -> None:
    status, _, body = await _ask(admin, "/nowhere")
    assert status == 404
    assert b"/debug/stack" in body
    assert (await _ask(admin, "/health", method="POST", more="Content-Length: 0\r\n"))[0] == 405


async def test_head(admin: Admin) -> None:
    status, headers, body = await _ask(admin, "/health", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


@pytest.mark.parametrize(("host", "status"), [("evil.example", 403), ("localhost", 200), ("127.0.0.1:9", 200)])
async def test_a_foreign_name_for_loopback_is_refused(admin: Admin, host: str, status: int) -> None:
    assert (await _ask(admin, "/debug/config", host=host))[0] == status


async def test_limits(admin: Admin) -> None:
    status, _, _ = await _ask(admin, "/health", more=f"X: {'y' * 100}\r\nContent-Length: 100000\r\n")
    assert status == 400
    address, port = admin.address.rsplit(":", 1)
    open_ones = [await asyncio.open_connection(address, int(port)) for _ in range(server.MAX_CONNECTIONS)]
    try:
        for _ in range(50):  # the server counts a connection when it accepts it
            reader, writer = await asyncio.open_connection(address, int(port))
            writer.write(b"GET /health HTTP/1.0\r\n\r\n")
            try:
                refused = await reader.read() == b""
            except ConnectionError:
                refused = True
            writer.close()
            if refused:
                break
        assert refused
    finally:
        for _, writer in open_ones:
            writer.close()
            await writer.wait_closed()
    for _ in range(1000):
        try:
            status, _, _ = await _ask(admin, "/health")
            break
        except (ConnectionError, IndexError, ValueError):
            continue
    assert status == 200


async def test_an_open_connection_does_not_hold_up_the_close(state: State) -> None:
    sources = AdminSources(state.health, CollectorRegistry(), dict, dict, dict)
    async with Admin("127.0.0.1:0", sources) as admin:
        address, port = admin.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")  # the connection is the server's now, and idle
        writer.write(b"GET /hea")
    async with asyncio.timeout(server.CLOSE_TIMEOUT_S):
        try:
            await reader.read()
        except ConnectionResetError:
            pass  # as good an end: the half request was never read
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address, int(port))


async def test_a_taken_port_is_told(admin: Admin, state: State) -> None:
    sources = AdminSources(state.health, CollectorRegistry(), dict, dict, dict)
    with pytest.raises(OSError, match=f"the admin side cannot listen on {admin.address}: "):
        await Admin(admin.address, sources).__aenter__()


async def test_a_slow_page_is_given_up(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(server, "PAGE_TIMEOUT_S", 0.01)
    admin.add(Route("/slow", "never", never))
    assert (await _ask(admin, "/slow"))[0] == 503


def test_one_path_one_page(state: State) -> None:
    sources = AdminSources(state.health, CollectorRegistry(), dict, dict, dict)
    with pytest.raises(ValueError, match="has a page /health already"):
        Admin("127.0.0.1:0", sources, routes=(Route("/health", "x", lambda: json_answer(1)),))


@pytest.fixture
async def open_admin(state: State) -> AsyncIterator[Admin]:
    """One that listens on every address of the machine."""
    sources = AdminSources(state.health, CollectorRegistry(), dict, dict, dict)
    async with Admin("0.0.0.0:0", sources) as admin:
        yield admin


async def test_other_machines_see_health_and_metrics_only(open_admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_from_this_machine", lambda request: False)
    for path in ("/health", "/health/live", "/metrics"):
        assert (await _ask(open_admin, path, host="pricing.internal"))[0] == 200
    for path in ("/", "/debug/config", "/debug/stack", "/debug/peers", "/debug/connections", "/no-such-page"):
        status, _, body = await _ask(open_admin, path)
        assert status == 403
        assert b"for this machine only" in body
    open_admin._remote = server.Remote.ALL
    assert (await _ask(open_admin, "/debug/config", host="pricing.internal"))[0] == 200


async def test_this_machine_sees_all_but_no_web_page_does(open_admin: Admin) -> None:
    """A web page can let a name of its own stand for this machine's address."""
    assert (await _ask(open_admin, "/debug/config"))[0] == 200
    assert (await _ask(open_admin, "/debug/config", host="evil.example"))[0] == 403
