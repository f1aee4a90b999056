"""A node: one process of the mesh. The only place that joins the parts.

Start: parts, listen, register, ready. Stop: unready, leave the registry, settle, drain, finish, cancel, close clients,
parts in reverse, admin last. What a caller may have learned of this node is always still true when it acts on it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import os
import random
import signal
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry

from mesh import logs
from mesh.admin import Admin, AdminSources, DocsSource, Health, Route, Watchdog, json_answer
from mesh.call import Clock, LoopClock, Reply, Stack, TimerWheel
from mesh.call.debug import CALL_S
from mesh.config import Config, build, load
from mesh.contract import service_of
from mesh.contract.model import Method, Service
from mesh.contract.typing import ServiceOf
from mesh.discovery import Registry, open_registry
from mesh.filters import CallMetrics, debuggable
from mesh.net import CONNECT_S, Links, Listener, Network, Peers, Pools, TcpNetwork
from mesh.node import debugging
from mesh.node.announce import announcement
from mesh.node.calling import Calling, Protocol
from mesh.node.docs import NodeDocs
from mesh.node.doors import EPHEMERAL, Doors
from mesh.node.drift import Drift
from mesh.node.judging import Judging
from mesh.node.meta import meta_for
from mesh.node.parts import Hook, Parts
from mesh.node.presence import Presence
from mesh.node.protocols import ProtocolCalls
from mesh.node.serving import Serving
from mesh.node.threads import HandlerThreads
from mesh.node.usage import Usage
from mesh.version import VERSION
from mesh.wire import Limits

log = logging.getLogger("mesh.node")

C = TypeVar("C")
H = TypeVar("H")


class Node:
    """One process. `async with`; then `serve`, `client`, and `run` (or `start` and the end of the block).

    `name` is the caller's name and the process's. What the program states here holds; what it leaves open comes from
    the environment, then the TOML file `config`, then the defaults of `mesh.config.Config`. `registry` is a URL or a
    `Registry`; without one only clients with `peers=` find anybody. `network`, `clock` and `rng` are for tests.
    """

    def __init__(
        self,
        name: str,
        *,
        listen: str | None = None,
        admin: str | None = None,
        registry: str | Registry | None = None,
        advertise: str | None = None,
        config: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        network: Network | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        limits: Limits | None = None,
        **settings: Any,
    ) -> None:
        given = {"name": name, "listen": listen, "admin": admin, "advertise": advertise, **settings}
        if isinstance(registry, str):
            given["registry"] = registry
        explicit = {key: value for key, value in given.items() if value is not None}
        checked = build(Config, explicit, f"Node({name!r})")
        loaded = load(config, os.environ if env is None else env)
        self.config: Config = dataclasses.replace(loaded, **{key: getattr(checked, key) for key in explicit})
        self.name = name
        self.version = self.config.version or VERSION
        self.metrics = CollectorRegistry()
        self.address = EPHEMERAL  # host:port once it listens
        self.admin: Admin | None = None
        self.registry: Registry | None = None if isinstance(registry, str) else registry
        self._network = network or TcpNetwork()
        self._given_clock = clock
        self._rng = rng or random.Random()
        self._limits = limits or self.config.wire
        if self.config.debug:
            self._limits = debugging.patient(self._limits)
        self._links = Links()
        self._server_calls = CallMetrics("rpc_server", self.config.max_callers)
        self._client_calls = CallMetrics("rpc_client")
        self._client_attempts = CallMetrics("rpc_client_attempt")
        self._usage = Usage(self.config.max_callers)
        self._protocols = ProtocolCalls(self._server_calls)
        calls = (self._server_calls, self._client_calls, self._client_attempts)
        for collector in (self._links, *calls, self._protocols, self._usage):
            self.metrics.register(collector)
        self._parts = Parts()
        self._presence = Presence()
        self._listener: Listener | None = None
        self._state = "new"  # new, open, starting, ready, stopping, stopped
        self._stop_asked: asyncio.Event | None = None
        self._ended: asyncio.Future[None] | None = None  # made by the first stop, done when it is through

    # -- opening and closing

    async def __aenter__(self) -> Node:
        self.clock: Clock = self._given_clock or LoopClock()
        self._wheel = TimerWheel(self.clock)
        self._stop_asked = asyncio.Event()
        self._outer = AsyncExitStack()  # what clients and the admin side need; closed last
        if self.registry is None and self.config.registry:
            token = self.config.token.reveal() if self.config.token else None
            self.registry = open_registry(
                self.config.registry,
                token=token,
                zone=self.config.zone,
                check_timeout_s=CALL_S if self.config.debug else None,
            )
        if self.registry is not None:
            await self._outer.enter_async_context(self.registry)
        self._threads = HandlerThreads(self.config.threads)
        common: dict[str, Any] = {"clock": self.clock, "wheel": self._wheel, "rng": self._rng}
        self._serving = Serving(
            **common, calls=self._server_calls, threads=self._threads, links=self._links, usage=self._usage
        )
        self._doors = Doors(
            self.name,
            limits=self._limits,
            clock=self.clock,
            serving=self._serving,
            links=self._links,
            framed_calls=self._protocols.framed,
        )
        virtual = getattr(asyncio.get_running_loop(), "virtual_time", False)
        self._drift = Drift(Judging(self.name, self.clock, apart=not virtual), self.clock)
        self.metrics.register(self._drift)
        self._peers = Peers(
            self._network,
            lambda: self._doors.link(dialler=True),
            connected=self._drift.connected,
            connect_s=CALL_S if self.config.debug else CONNECT_S,
        )
        self._pools = Pools(self._network, self._limits, self.clock, self._links)
        self._calling = Calling(
            **common,
            caller=self.name,
            peers=self._peers,
            pools=self._pools,
            registry=lambda: self.registry,
            calls=self._client_calls,
            attempts=self._client_attempts,
            drift=self._drift,
        )
        if self.config.debug:
            self.server_stack = debuggable(self.server_stack, self.clock)
            self.client_stack = debuggable(self.client_stack, self.clock)
        self._state = "open"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    # -- what it is made of

    @property
    def client_stack(self) -> Stack:
        """The page's client side. Set it before the first client is made, to put a filter in."""
        return self._calling.stack

    @client_stack.setter
    def client_stack(self, stack: Stack) -> None:
        self._calling.stack = stack

    @property
    def server_stack(self) -> Stack:
        """The page's server side. Set it before `serve`, to put a filter in."""
        return self._serving.stack

    @server_stack.setter
    def server_stack(self, stack: Stack) -> None:
        self._serving.stack = stack

    def serve(self, service: type[ServiceOf[C, H]], handler: H, *, name: str | None = None) -> None:
        """Serves `service` with `handler`: any object with the contract's methods, coroutines or plain functions.

        It is registered and called under the contract's name (annotation `name`, else the file's stem), or `name`.
        Raises TypeError when the handler lacks a method, RuntimeError once the node has started.
        """
        if self._state != "open":
            raise RuntimeError(
                f"serve() comes inside `async with Node(...)` and before run(); the node is {self._state}"
            )
        contract_service = service if isinstance(service, Service) else service_of(service)
        registered = name or contract_service.registry_name
        meta = meta_for(contract_service, registered, self.version, self._welcome, self._usage)
        self._serving.serve(contract_service, handler, registered, meta)

    def client(
        self,
        contract: type[ServiceOf[C, H]],
        *,
        service: str | None = None,
        peers: Iterable[str] | None = None,
        protocol: Protocol = "tchannel",
    ) -> C:
        """A client of `contract`, found in the registry under its name or `service`, or at fixed `peers`.

        `protocol`: `tchannel`, or for servers of framed Thrift `framed`, `multiplexed` or `theader`.
        """
        found = contract if isinstance(contract, Service) else service_of(contract)
        return cast(C, self._calling.client(found, service, peers, protocol))

    async def call(
        self,
        method: Method,
        args: tuple[Any, ...],
        *,
        service: str | None = None,
        peers: Iterable[str] | None = None,
        protocol: Protocol = "tchannel",
    ) -> Reply:
        """One call with everything that came of it: outcome, value, reply headers, peer. For tools.

        Raises BadRequest when the arguments break the contract; every other failure is in the reply's outcome.
        """
        return await self._calling.call(method, args, service, peers, protocol)

    def attach(self, part: Any) -> Any:
        """A part lives with the node: an async context manager, entered at the start, left (in reverse) at the stop.

        Its method `health()`, if it has one, gives a `Check` for /health. Returns the part.
        """
        self._parts.attached.append(part)
        return part

    def on_start(self, hook: Hook) -> None:
        """`hook()` (plain or coroutine function) runs after the parts are entered, before the node listens."""
        self._parts.start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """`hook()` runs once no call is under way any more, before the parts are left."""
        self._parts.stop_hooks.append(hook)

    # -- its life

    async def start(self) -> None:
        """Parts, listen, register, ready; in this order."""
        if self._state != "open":
            raise RuntimeError(f"a node starts once, inside its `async with`; it is {self._state}")
        self._state = "starting"
        if self.config.admin is not None:
            sources = AdminSources(
                health=self.health,
                metrics=self.metrics,
                peers=lambda: {
                    "endpoints": self._calling.describe(),
                    "connections": [*self._peers.describe(), *self._pools.describe()],
                    "contracts": self._drift.page(),
                },
                connections=self._links.describe,
                config=self.config.to_public_dict,
            )
            routes = (Route("/debug/usage", "who uses what is deprecated", lambda: json_answer(self._usage.page())),)
            docs = NodeDocs(
                self.name, self.version, self._serving.services, self._listens_at, self._calling.call, self._rng
            )
            self.admin = await self._outer.enter_async_context(
                Admin(
                    self.config.admin,
                    sources,
                    routes=routes,
                    remote=self.config.admin_remote,
                    docs=DocsSource(docs.describe, docs.call, self.config.docs_calls),
                )
            )
        if self.config.watchdog.threshold_ms and not getattr(asyncio.get_running_loop(), "virtual_time", False):
            await self._outer.enter_async_context(Watchdog(self.config.watchdog, metrics=self.metrics))
        await self._parts.enter()
        if self._serving.services:
            self._doors.announcement = announcement(self._serving.services)
            try:
                self._listener = await self._network.listen(self.config.listen, self._doors.arrival)
            except OSError as error:
                where = f"{self.name} cannot listen at {self.config.listen}"
                raise OSError(error.errno, f"{where}: {error.strerror}; listen= or MESH_LISTEN says where") from error
            self.address = self._doors.address = self.config.advertise or self._listener.address
            if self.registry is not None:
                await self._presence.register(
                    self.registry,
                    self._serving.services,
                    address=self.address,
                    admin=self.admin.address if self.admin else None,
                    version=self.version,
                    config=self.config,
                )
        self._state = "ready"
        if self.config.debug:
            debugging.warn(self.name)
        served = ", ".join(self._serving.services) or "nothing"
        log.info("%s is ready: serves %s at %s, admin at %s", self.name, served, self.address,
                 self.admin.address if self.admin else "none")  # fmt: skip

    async def run(self) -> None:
        """The process's life: logs are set up, the node starts, and on SIGTERM or SIGINT it stops in order.

        After `start` it goes on from there: for a program that says its address first. A second signal ends the
        process at once.
        """
        logs.setup(self.config.logs.format, self.config.logs.level, service=self.name)
        assert self._stop_asked is not None
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            if self._state != "ready":
                await self.start()
            # What the start made stays for good: out of the collector's sight, a full collection no longer stops the
            # loop for tens of milliseconds.
            gc.collect()
            gc.freeze()
            await self._stop_asked.wait()
            await self.stop()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _signalled(self, number: int) -> None:
        assert self._stop_asked is not None
        if self._stop_asked.is_set():
            log.warning("second signal: stopping at once")
            os._exit(128 + number)
        log.info("%s: stopping", signal.Signals(number).name)
        self._stop_asked.set()

    async def stop(self) -> None:
        """The drain order; once. Safe to call in any state: who comes second waits for the first."""
        if self._state == "new":
            return
        if self._ended is not None:
            await asyncio.shield(self._ended)
            return
        self._ended = asyncio.get_running_loop().create_future()
        self._state = "stopping"
        reason = f"{self.name} is stopping"
        try:
            # Left in reverse, and each whatever became of the others.
            async with AsyncExitStack() as steps:
                steps.callback(self._wheel.close)
                steps.push_async_callback(self._outer.aclose)
                steps.callback(self._threads.close)
                steps.callback(self._links.close, reason)
                steps.push_async_callback(self._peers.close, reason)
                steps.push_async_callback(self._drift.close)
                steps.callback(self._pools.close, reason)
                steps.callback(self._calling.close)
                steps.push_async_callback(self._parts.leave)
                await self._leave(reason)
        finally:
            self._state = "stopped"
            self._ended.set_result(None)

    async def _leave(self, reason: str) -> None:
        """Out of the registry, then out of every caller's hands."""
        await self._presence.withdraw()
        if self._listener is not None:
            if self._presence:
                await self.clock.sleep(self.config.settle_ms / 1000)  # callers learn of it and stop coming
            await self._listener.close()
            await self._serving.drain(reason, self.config.drain_ms / 1000)

    # -- what it says of itself

    def _listens_at(self) -> str:
        return self._listener.address if self._listener is not None else ""

    def _welcome(self) -> tuple[bool, str]:
        return self._state == "ready", "" if self._state == "ready" else f"the node is {self._state}"

    def health(self) -> Health:
        """Ready once started and until it stops. That it is not registered is said, and keeps nobody away."""
        ready, _ = self._welcome()
        checks = {**self._presence.checks(), **self._parts.checks(), **self._drift.checks()}
        return Health(True, ready, self.name, self.version, checks)
