"""Connections to servers of framed Thrift: a few per address, each with one call at a time.

One rule: a connection is lent to one call, and comes back only with that call's whole answer taken. Most servers of
this protocol work through a connection's calls one by one, so pipelining would gain nothing but a slow call's company;
and a call cannot be taken back, so a shared connection would have to die with every deadline, with everybody's calls.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh.call import Clock, Timer
from mesh.net.framed.caller import FramedCaller
from mesh.net.links import Links
from mesh.net.network import Network
from mesh.net.peers import CONNECT_S
from mesh.wire import Limits
from mesh.wire.thrift import Form

# To one address in one form. Servers of this protocol often keep a thread or a process for each; further calls wait for
# one of these, within their deadlines.
MAX_CONNECTIONS = 64
IDLE_S = 30.0  # then it is given back: to servers with a thread each it is worth more than the dial it saves


class Pool:
    """The connections to one address in one form."""

    def __init__(self, pools: Pools, address: str, form: Form) -> None:
        self._pools = pools
        self._address = address
        self._form = form
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: deque[tuple[FramedCaller, Timer]] = deque()
        self._users = 0
        self.standing: set[FramedCaller] = set()

    @asynccontextmanager
    async def lend(self, dial_within_s: float) -> AsyncIterator[FramedCaller]:
        """A connection for one call. Raises OSError with a reason, TimeoutError when the dial takes too long."""
        self._users += 1
        try:
            async with self._places:
                connection = self._take_idle() or await self._dial(dial_within_s)
                try:
                    yield connection
                finally:
                    self._give_back(connection)
        finally:
            self._users -= 1
            self._forget_if_unused()

    def _take_idle(self) -> FramedCaller | None:
        while self._idle:
            connection, timer = self._idle.pop()  # the last one used: those before it may grow old and go
            timer.cancel()
            if connection.usable:
                return connection
        return None

    async def _dial(self, within_s: float) -> FramedCaller:
        pools = self._pools
        pools.check_open()  # it may have waited for its place until now
        async with asyncio.timeout(min(within_s, CONNECT_S)):
            made = await pools.network.dial(self._address, self._make, pools.ssl)
        assert isinstance(made, FramedCaller)
        if pools.closed:
            made.close("this node is stopping")
        if made.gone.done():
            raise ConnectionError(made.gone.result())
        self.standing.add(made)
        made.gone.add_done_callback(lambda _: self._gone(made))
        return made

    def _make(self) -> FramedCaller:
        return FramedCaller(self._form, self._pools.limits, self._pools.owner)

    def _give_back(self, connection: FramedCaller) -> None:
        if connection.draining is not None:
            connection.finish(f"the peer is draining: {connection.draining}")
        elif connection.usable:
            clock = self._pools.clock
            timer = clock.call_at(clock.now() + IDLE_S, connection.finish, f"unused for {IDLE_S:g} s")
            self._idle.append((connection, timer))
        elif not connection.gone.done():
            connection.close("its call ended without an answer")

    def _gone(self, connection: FramedCaller) -> None:
        self.standing.discard(connection)
        for entry in list(self._idle):
            if entry[0] is connection:
                entry[1].cancel()
                self._idle.remove(entry)
        self._forget_if_unused()

    def _forget_if_unused(self) -> None:
        if not self._users and not self.standing:
            self._pools.forget(self._address, self._form)

    def describe(self) -> dict[str, object]:
        return {
            "address": self._address,
            "state": self._form,
            "calls": self._users,
            "connections": len(self.standing),
        }


class Pools:
    """All pools of a node, made when first needed and dropped with their last connection."""

    def __init__(
        self, network: Network, limits: Limits, clock: Clock, owner: Links, ssl: ssl.SSLContext | None = None
    ) -> None:
        self.network = network
        self.limits = limits
        self.clock = clock
        self.owner = owner
        self.ssl = ssl
        self._pools: dict[tuple[str, Form], Pool] = {}
        self.closed = False

    def check_open(self) -> None:
        """Raises ConnectionError once closed."""
        if self.closed:
            raise ConnectionError("this node is stopping")

    def pool(self, address: str, form: Form) -> Pool:
        """Raises ConnectionError once closed."""
        self.check_open()
        pool = self._pools.get((address, form))
        if pool is None:
            pool = self._pools[address, form] = Pool(self, address, form)
        return pool

    def forget(self, address: str, form: Form) -> None:
        self._pools.pop((address, form), None)

    def describe(self) -> list[dict[str, object]]:
        """For /debug/peers."""
        return [pool.describe() for _, pool in sorted(self._pools.items())]

    def close(self, reason: str) -> None:
        """Ends every connection; calls that wait on them fail."""
        self.closed = True
        for pool in list(self._pools.values()):
            for connection in list(pool.standing):
                connection.close(reason)
