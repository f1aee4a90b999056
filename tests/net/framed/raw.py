"""A client that writes bytes and keeps what comes back, over any network."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from mesh.net import Network


class Raw(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = asyncio.get_running_loop().create_future()
        self._came = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)
        self._came.set()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def until(self, size: int) -> bytes:
        """The first `size` bytes, taken out. Raises EOFError when the connection ends before."""
        while len(self.received) < size:
            if self.closed.done():
                raise EOFError(f"the end after {len(self.received)} of {size} bytes")
            self._came.clear()
            await self._came.wait()
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    async def frame(self) -> bytes:
        """The next frame's content."""
        (size,) = struct.unpack(">I", await self.until(4))
        return await self.until(size)


@asynccontextmanager
async def raw(network: Network, address: str) -> AsyncIterator[Raw]:
    made = await network.dial(address, Raw)
    assert isinstance(made, Raw)
    try:
        yield made
    finally:
        made.transport.abort()
        await made.closed
