"""Stand-ins for Consul: a scripted one in virtual time, and an HTTP server that answers what a test tells it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from mesh.call.clock import LoopClock
from mesh.discovery.answer import Answer
from mesh.discovery.consul_registry import ConsulRegistry
from mesh.discovery.registry import Instance, RegistryError


async def eventually(holds: Callable[[], bool], within_s: float = 10.0, every_s: float = 0.005) -> float:
    """Waits until `holds()`; returns the seconds it took, by the loop's clock."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not holds():
        assert loop.time() - start < within_s, f"not within {within_s} s"
        await asyncio.sleep(every_s)
    return loop.time() - start


def instance(number: int, service: str = "pricing", **named: Any) -> Instance:
    meta = {"protocol": "tchannel"}
    return Instance(service, f"{service}-{number}", "127.0.0.1", 7000 + number, **({"meta": meta} | named))


class ScriptedConsul:
    """Stands in for `ConsulApi`: a catalogue with an index, blocking queries, and the ways in which it fails."""

    def __init__(self, wait_s: float = 30.0) -> None:
        self.index = 10
        self.catalogue: dict[str, Instance] = {}
        self.kv: dict[str, bytes] = {}
        self.health_urls: dict[str, str | None] = {}
        self.leader = True
        self.error: RegistryError | None = None
        self.hangs = False
        self.requests: list[tuple[float, str]] = []
        self.closed = False
        self.write_takes_s = 0.0
        self._wait_s = wait_s
        self._changed = asyncio.Event()

    def change(self, index: int | None = None) -> None:
        """Something was written; blocked queries are answered."""
        self.index = self.index + 1 if index is None else index
        self._changed.set()
        self._changed = asyncio.Event()

    def restart_empty(self) -> None:
        self.catalogue.clear()
        self.kv.clear()
        self.error = None
        self.change(index=3)

    def fail(self, error: RegistryError) -> None:
        """From now on; what hangs at the moment fails as well."""
        self.error = error
        self.change(self.index)

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]:
        await self._block(f"watch {service}", index)
        found = tuple(one for one in self.catalogue.values() if one.service == service)
        return Answer(found, self.index, self.leader)

    async def rules(self, prefix: str, index: int) -> Answer[dict[str, bytes]]:
        await self._block(f"rules {prefix}", index)
        found = {key: value for key, value in self.kv.items() if key.startswith(prefix)}
        return Answer(found, self.index, self.leader)

    async def register(self, instance: Instance, health_url: str | None) -> None:
        await self._answer(f"register {instance.id}")
        # A server goes on with what it has read, also when the asker does not wait for the answer.
        self._writing = asyncio.create_task(self._write(instance, health_url))
        await asyncio.shield(self._writing)

    async def _write(self, instance: Instance, health_url: str | None) -> None:
        await asyncio.sleep(self.write_takes_s)
        self.catalogue[instance.id] = instance
        self.health_urls[instance.id] = health_url
        self.change()

    async def holds(self, instance: Instance) -> bool:
        await self._answer(f"holds {instance.id}")
        return self.catalogue.get(instance.id) == instance

    async def deregister(self, instance_id: str) -> None:
        await self._answer(f"deregister {instance_id}")
        self.catalogue.pop(instance_id, None)
        self.change()

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        await self._answer("services")
        return {}

    async def close(self) -> None:
        self.closed = True

    def asked(self, what: str = "") -> list[float]:
        return [when for when, question in self.requests if what in question]

    async def _answer(self, question: str) -> None:
        self.requests.append((asyncio.get_running_loop().time(), question))
        if self.hangs:
            await asyncio.sleep(5.0)
            raise RegistryError("no answer within 5.0 s")
        await asyncio.sleep(0.001)
        if self.error is not None:
            raise self.error

    async def _block(self, question: str, index: int) -> None:
        await self._answer(question)
        if index >= self.index:
            try:
                async with asyncio.timeout(self._wait_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
        if self.error is not None:
            raise self.error


def scripted_registry(api: ScriptedConsul, **named: Any) -> ConsulRegistry:
    return ConsulRegistry("consul://scripted:1", api, clock=LoopClock(), rng=random.Random(7), **named)


class FakeServer:
    """An HTTP server on loopback. `answer(handler)` is what it does; `requests` what it was sent."""

    def __init__(self) -> None:
        self.requests: list[HTTPServerRequest] = []
        self.closed_connections = 0
        self.answer: Callable[[RequestHandler], Awaitable[None]] = self._empty
        self.port = 0

    def says(self, status: int, body: str = "[]", **headers: str) -> None:
        async def answer(handler: RequestHandler) -> None:
            handler.set_status(status)
            for name, value in headers.items():
                handler.set_header(name.replace("_", "-"), value)
            handler.write(body)

        self.answer = answer

    async def hangs(self, handler: RequestHandler) -> None:
        """An answer that never comes; ends with the connection."""
        await handler.gone.wait()  # type: ignore[attr-defined]

    async def _empty(self, handler: RequestHandler) -> None:
        handler.set_header("X-Consul-Index", "5")
        handler.write("[]")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()

    class Handler(RequestHandler):
        async def _any(self) -> None:
            fake.requests.append(self.request)
            await fake.answer(self)

        get = put = post = delete = _any

        def initialize(self) -> None:
            self.gone = asyncio.Event()

        def on_connection_close(self) -> None:
            fake.closed_connections += 1
            self.gone.set()

        def log_exception(self, *_: Any) -> None:
            pass

    http = HTTPServer(Application([(".*", Handler)], log_function=lambda handler: None))
    sockets = bind_sockets(0, "127.0.0.1")
    fake.port = sockets[0].getsockname()[1]
    http.add_sockets(sockets)
    yield fake
    http.stop()
    await http.close_all_connections()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What `mesh.discovery` has logged so far."""
    caplog.set_level(logging.DEBUG)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "mesh.discovery"]
