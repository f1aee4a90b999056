"""Where connections come from: TCP in production, memory in tests. The rest of `net` asks no other source.

TLS will be an `ssl.SSLContext` per listener and per connector; every place that makes a connection already takes one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

CLOSE_S = 5.0  # for the last bytes of a closed connection to leave
BACKLOG = 1024  # connections that wait to be accepted: a fleet's callers reconnect at once after a restart


class Listener(Protocol):
    """A listening address."""

    address: str  # host:port, the port that was really bound

    async def close(self) -> None:
        """Accepts no more; connections that stand are left alone."""
        ...


class Network(Protocol):
    """A way to listen and to dial. Addresses are `host:port`; errors are OSError."""

    async def listen(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> Listener: ...

    async def dial(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> asyncio.Protocol:
        """The connected protocol that `factory` made."""
        ...


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair. Raises ValueError with a reason."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"not an address: {address!r} (want HOST:PORT)")
    return host.removeprefix("[").removesuffix("]"), int(port)


def remote_of(transport: asyncio.BaseTransport) -> str:
    """The other end of a socket as `host:port`; `?` where nobody knows."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
    return str(peer) if peer else "?"


def close_in_time(transport: asyncio.Transport | None) -> None:
    """Lets what was written go out, for a bounded time: a peer that does not read would hold it for ever."""
    if transport is not None and not transport.is_closing():
        transport.close()
        if transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(CLOSE_S, transport.abort)


class TcpListener:
    def __init__(self, server: asyncio.Server, address: str) -> None:
        self._server = server
        self.address = address

    async def close(self) -> None:
        # asyncio accepts in two steps, and a socket that is between them when the server closes is left open with
        # nobody to read it: its caller would wait for its whole deadline. So no more are accepted, those get their
        # second step, and then it closes.
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.SelectorEventLoop):
            for listening in self._server.sockets:
                loop.remove_reader(listening.fileno())
            for _ in range(2):
                await asyncio.sleep(0)
        # Not wait_closed(): from 3.12 on it waits for the connections too, and those are drained by the node.
        self._server.close()


class TcpNetwork:
    """Plain TCP on the running loop."""

    async def listen(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> TcpListener:
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, host, port, backlog=BACKLOG, ssl=ssl, reuse_address=True)
        bound = server.sockets[0].getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return TcpListener(server, f"{shown}:{bound[1]}")

    async def dial(
        self, address: str, factory: Callable[[], asyncio.Protocol], ssl: ssl.SSLContext | None = None
    ) -> asyncio.Protocol:
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(factory, host, port, ssl=ssl)
        raw = transport.get_extra_info("socket")
        if raw is not None:  # asyncio sets it too; uvloop and others need not
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return protocol
