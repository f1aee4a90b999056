"""What real sockets do when a listener closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from mesh.net import TcpNetwork, split_address


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hi")


@pytest.mark.parametrize("turns", range(4))
async def test_nobody_is_left_waiting_when_a_listener_closes(turns):
    """Each was served, or is told at once that nobody is there; wherever its connection stood just then."""
    listener = await TcpNetwork().listen("127.0.0.1:0", Greeter)
    callers = [socket.create_connection(split_address(listener.address), timeout=5) for _ in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await listener.close()
    for caller in callers:
        with contextlib.closing(caller), contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(caller.recv, 2) == b"hi"
