import asyncio

import pytest

from mesh.testing import MemoryNetwork, virtual_time


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.data = b""
        self.story = []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data

    def connection_lost(self, exc):
        self.story.append(type(exc))

    def pause_writing(self):
        self.story.append("pause")

    def resume_writing(self):
        self.story.append("resume")


async def joined(network):
    accepted = []
    listener = await network.listen("127.0.0.1:0", lambda: accepted.append(Recorder()) or accepted[-1])
    near = await network.dial(listener.address, Recorder)
    return listener, near, accepted[0]


@virtual_time
async def test_bytes_arrive_later_and_in_order():
    network = MemoryNetwork(latency_s=0.01)
    _, near, far = await joined(network)
    near.transport.write(b"a" * 100_000)
    near.transport.write(b"b")
    assert far.data == b""
    await asyncio.sleep(0.02)
    assert far.data == b"a" * 100_000 + b"b"


@virtual_time
async def test_back_pressure():
    _, near, far = await joined(MemoryNetwork())
    far.transport.pause_reading()
    near.transport.set_write_buffer_limits(1000, 100)
    near.transport.write(b"x" * 2000)
    await asyncio.sleep(0)
    assert near.story == ["pause"]
    assert far.data == b""
    far.transport.resume_reading()
    await asyncio.sleep(0.001)
    assert far.data == b"x" * 2000
    assert near.story == ["pause", "resume"]


@virtual_time
async def test_close_delivers_what_was_written_and_cut_does_not():
    network = MemoryNetwork()
    _, near, far = await joined(network)
    near.transport.write(b"bye")
    near.transport.close()
    await asyncio.sleep(0.001)
    assert far.data == b"bye"
    assert far.story == near.story == [type(None)]
    listener, near, far = await joined(network)
    near.transport.write(b"lost")
    assert network.cut(listener.address) == 1
    await asyncio.sleep(0.001)
    assert far.data == b""
    assert far.story == near.story == [ConnectionResetError]
    assert network.connections == 0


@virtual_time
async def test_nobody_listens():
    network = MemoryNetwork()
    with pytest.raises(ConnectionRefusedError):
        await network.dial("127.0.0.1:9", Recorder)
    listener = await network.listen("127.0.0.1:9", Recorder)
    with pytest.raises(OSError, match="in use"):
        await network.listen("127.0.0.1:9", Recorder)
    await listener.close()
    with pytest.raises(ConnectionRefusedError):
        await network.dial("127.0.0.1:9", Recorder)
