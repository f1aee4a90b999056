"""Framed Thrift at the RPC port, under the same limits as TChannel: strangers, floods, trickles, who never reads."""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest

from mesh.testing.local import LocalMesh
from mesh.testing.memory import MemoryNetwork
from mesh.testing.virtual import virtual_time
from mesh.wire import Limits
from tests.net.framed.raw import raw
from tests.net.framed.stage import Sleeper, eventually, slow, text_of, told, touch, touched
from tests.node.interop import Echo, interop
from tests.wire.thrift.bytes import REPLY, call, frame, message, texts, theader
from tests.wire.world import init

STRANGERS = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x80\1\0\1\0\0\0\4ping\0\0\0\0\0",
    b"\x82\x21\0\0",
    b"\0\0\0\x11\0\0\0\4ping\1\0\0\0\0\0",
    b"\0\0\0\x11\x82\x21\0\0",
    b"\0" * 40,
]


@pytest.mark.parametrize("first", STRANGERS)
async def test_strangers_are_told_apart_in_the_log(network, first, caplog):
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        async with raw(network, node.address) as peer:
            peer.write(first)
            async with asyncio.timeout(5):
                await peer.closed
            assert peer.received == b""
    assert "this port speaks TChannel and framed Thrift" in caplog.text


async def test_nobody_changes_his_protocol(network, caplog):
    caplog.set_level(logging.DEBUG, "mesh.net")
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        async with raw(network, node.address) as peer:
            peer.write(touch("x"))
            await peer.frame()
            peer.write(init())
            await peer.closed
        async with raw(network, node.address) as peer:
            peer.write(init())
            await peer.until(20)
            peer.write(touch("x"))
            await peer.closed
        await eventually(lambda: node._links.describe() == [])
    assert "on a connection of framed Thrift" in caplog.text


@virtual_time
async def test_the_first_bytes_have_their_time():
    async with LocalMesh(MemoryNetwork()) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        for first in (b"", b"\0\0", init()[:5], touch("x")[:5]):
            async with raw(mesh.network, node.address) as peer:
                started = asyncio.get_running_loop().time()
                peer.write(first)
                await peer.closed
                assert asyncio.get_running_loop().time() - started == pytest.approx(5.0, abs=0.01)
        assert list(node._links) == []


@virtual_time
async def test_a_frame_that_trickles_in_has_its_time():
    async with LocalMesh(MemoryNetwork()) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        async with raw(mesh.network, node.address) as peer:
            started = asyncio.get_running_loop().time()
            data = touch("x" * 1000)
            peer.write(data[:6])
            for byte in data[6:]:
                peer.write(bytes((byte,)))
                await asyncio.sleep(1)
                if peer.closed.done():
                    break
            assert asyncio.get_running_loop().time() - started == pytest.approx(120, abs=2)


async def test_too_many_connections(network, caplog):
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        node._links._max_incoming = 2
        async with raw(network, node.address) as one, raw(network, node.address) as two:
            one.write(touch("x"))
            two.write(touch("x"))
            assert await one.frame() == await two.frame()
            async with raw(network, node.address) as three:
                three.write(touch("x"))
                await three.closed
        await eventually(lambda: not list(node._links))
        async with raw(network, node.address) as four:
            four.write(touch("x"))
            await four.frame()
    assert "too many connections" in caplog.text


@pytest.mark.parametrize("most", [8192, 100])
async def test_ten_thousand_calls_in_one_go(network, most):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.node("echo", limits=Limits(calls_inbound=most))
        node.serve(interop.Echo, handler)
        await node.start()
        async with raw(network, node.address) as peer:
            peer.write(slow(50, 0) + b"".join(touch(str(number), number) for number in range(1, 10_000)))
            await peer.frame()
            for number in range(1, 10_000):
                assert await peer.frame() == touched(str(number), number)[4:]
            peer.write(b"".join(slow(1, number) for number in range(1, 300)))
            for number in range(1, 300):
                assert (await peer.frame()).startswith(message("slow", number, REPLY, b""))
        assert handler.most <= most


async def test_a_client_that_never_reads_is_not_read(network):
    """Only so much is kept for it, and when it reads at last it gets everything."""
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Echo())
        async with raw(network, node.address) as peer:
            peer.transport.pause_reading()
            blob = call("blob", 1, body=b"\x0b\0\1" + struct.pack(">i", 500_000) + bytes(500_000) + b"\0")
            for _ in range(60):
                peer.write(blob)
                await asyncio.sleep(0.001)
            await eventually(lambda: any(not getattr(link, "_reading", True) for link in node._links))
            [link] = node._links
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert link._transport.get_write_buffer_size() < 8_000_000
            assert link.bytes_received < 60 * len(blob)
            peer.transport.resume_reading()
            async with asyncio.timeout(20):
                for _ in range(60):
                    assert len(await peer.frame()) == len(blob) - 4


async def test_answers_that_wait_for_a_slow_one_are_bounded(network, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, "mesh.net")
    monkeypatch.setattr("mesh.net.framed.link.MAX_SERVING_BYTES", 30_000)
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            blob = call("blob", 1, body=b"\x0b\0\1" + struct.pack(">i", 900) + bytes(900) + b"\0")
            peer.write(slow(4000) + blob * 40 + call("tick", body=b"\x0b\0\1" + text_of("too late") + b"\0"))
            await peer.closed
        await eventually(lambda: handler.ended == ["cancelled"])
        assert not handler.ticks  # nothing is begun for a connection that is gone
    assert "wait for the one to an earlier call" in caplog.text


async def test_a_drained_connection_ends_with_its_last_answer(network):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as idle, raw(network, node.address) as busy:
            idle.write(touch("x"))
            await idle.frame()
            busy.write(slow(60, 1))
            await eventually(lambda: handler.running == 1)
            stopping = asyncio.create_task(node.stop())
            await idle.closed
            busy.write(touch("late", 2))
            assert (await busy.frame()).startswith(message("slow", 1, REPLY, b""))
            kind, text = told(await busy.frame(), "touch", 2)
            assert (kind, text.split(":")[0]) == (6, "declined")
            await busy.closed
            await stopping
        assert handler.ended == ["done"]


async def test_in_theader_a_drained_connection_is_told_and_left_to_its_peer(network):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            peer.write(frame(theader(slow(60)[4:])))
            await eventually(lambda: handler.running == 1)
            stopping = asyncio.create_task(node.stop())
            farewell = texts({"$mesh$draining": "test-echo is stopping"})
            answer = await peer.frame()
            assert answer == theader(answer[-len(message("slow")) - 11 :], farewell)
            peer.write(frame(theader(touch("late", 2)[4:])))
            refused = await peer.frame()
            assert b"\x0b$mesh$error\x08declined" in refused
            assert not stopping.done()
            peer.transport.abort()
            await stopping
        assert handler.ended == ["done"]


async def test_who_has_its_peers_fixed_loses_no_call_over_theader(network):
    async with LocalMesh(network) as mesh:
        nodes = [await mesh.serve(interop.Echo, Echo(), name=f"echo-{number}") for number in range(2)]
        caller = await mesh.node("caller")
        peers = [node.address for node in nodes]
        client = caller.client(interop.Echo, peers=peers, protocol="theader")
        for _ in range(10):  # a connection to each of them stands
            await client.tick("x")
        stopping = asyncio.create_task(nodes[0].stop())
        while not stopping.done():
            await client.tick("x")
        await stopping
        assert {connection["remote"] for connection in caller._links.describe()} == {peers[1]}


@virtual_time
async def test_a_handler_that_ignores_its_end_holds_up_its_connection_no_longer():
    class Deaf(Echo):
        async def slow(self, ms):
            for _ in range(5):
                try:
                    await asyncio.sleep(ms / 1000)
                except asyncio.CancelledError:
                    pass
            return 1.0

    async with LocalMesh(MemoryNetwork()) as mesh:
        node = await mesh.serve(interop.Echo, Deaf())
        async with raw(mesh.network, node.address) as peer:
            started = asyncio.get_running_loop().time()
            peer.write(frame(theader(slow(4000, 1)[4:], texts({"client_timeout": "200"}))) + touch("x", 2))
            await peer.frame()
            assert await peer.frame() == touched("x", 2)[4:]
            assert asyncio.get_running_loop().time() - started == pytest.approx(0.22, abs=0.05)
