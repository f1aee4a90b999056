"""Framed Thrift at the RPC port: beside TChannel, under the same limits, and under attack."""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest

import mesh.call as call_context
from mesh.contract import load_texts
from mesh.errors import BadRequest, Busy
from mesh.net import TcpNetwork
from mesh.testing.leaks import no_leaks
from mesh.testing.local import LocalMesh
from mesh.testing.memory import MemoryNetwork
from mesh.testing.virtual import virtual_time
from mesh.wire import Limits
from tests.net.framed.raw import raw
from tests.node.interop import Echo, interop
from tests.wire.thrift.bytes import EXCEPTION, ONEWAY, REPLY, call, frame, message, texts, theader
from tests.wire.world import init


@pytest.fixture(params=["memory", "tcp"])
def network(request):
    return MemoryNetwork() if request.param == "memory" else TcpNetwork()


def touch(text: str, seqid: int = 1, name: str = "touch") -> bytes:
    return call(name, seqid, body=b"\x0b\0\1" + text_of(text) + b"\0")


def touched(text: str, seqid: int = 1) -> bytes:
    return call("touch", seqid, REPLY, b"\x0b\0\0" + text_of(text) + b"\0")


def text_of(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">i", len(data)) + data


def slow(ms: int, seqid: int = 1) -> bytes:
    return call("slow", seqid, body=b"\x08\0\1" + struct.pack(">i", ms) + b"\0")


def told(content: bytes, name: str, seqid: int = 1) -> tuple[int, str]:
    """Type and text of an answer that is an error."""
    head = message(name, seqid, EXCEPTION, b"")
    assert content.startswith(head)
    body = content[len(head) :]
    (length,) = struct.unpack_from(">i", body, 3)
    return struct.unpack_from(">i", body, 7 + length + 3)[0], body[7 : 7 + length].decode()


async def eventually(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


class Sleeper(Echo):
    """Knows which of its slow calls were ended."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most = 0
        self.ended: list[str] = []
        self.forgotten: list[str] = []

    async def slow(self, ms):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(ms / 1000)
            self.ended.append("done")
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        finally:
            self.running -= 1
        return float(ms)

    async def forget(self, text):
        self.forgotten.append(text)
        if text == "raise":
            raise RuntimeError(text)


@pytest.mark.parametrize("protocol", ["tchannel", "framed", "multiplexed", "theader"])
async def test_all_protocols_at_one_port(network, protocol):
    async with no_leaks(), LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Sleeper())
        caller = await mesh.node("caller")
        client = caller.client(interop.Echo, peers=[node.address], protocol=protocol)
        assert await client.touch("hello") == "hello"
        assert await client.nothing() is None
        with pytest.raises(interop.Refused):
            await client.fail("refused")
        [connection] = node._links.describe()
        assert (connection["protocol"], connection["direction"]) == (protocol, "in")
        assert {link["protocol"] for link in caller._links.describe()} == {protocol}
        count = node.metrics.get_sample_value
        assert count("rpc_server_calls_by_protocol_total", {"protocol": protocol}) >= 3
        others = "tchannel" if protocol != "tchannel" else "framed"
        assert not count("rpc_server_calls_by_protocol_total", {"protocol": others})
        assert count("rpc_connections_by_protocol", {"direction": "in", "protocol": protocol}) == 1


async def test_one_connection_may_speak_all_framed_forms(network):
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Sleeper())
        async with raw(network, node.address) as peer:
            peer.write(touch("a", 1) + touch("b", 2, "Echo:touch"))
            peer.write(frame(theader(touch("c", 3)[4:], seqid=9)) + touch("d", 4, "interop:touch"))
            assert await peer.frame() == touched("a", 1)[4:]
            assert await peer.frame() == touched("b", 2)[4:]
            assert await peer.frame() == theader(touched("c", 3)[4:], seqid=9)
            assert await peer.frame() == touched("d", 4)[4:]


async def test_byte_by_byte(network):
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Sleeper())
        async with raw(network, node.address) as peer:
            for byte in touch("slowly"):
                peer.write(bytes((byte,)))
                await asyncio.sleep(0)
            assert await peer.frame() == touched("slowly")[4:]


async def test_a_slow_call_holds_up_answers_and_not_the_work(network):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            peer.write(slow(100, 1) + b"".join(slow(1, number) for number in range(2, 12)))
            for number in range(1, 12):
                assert (await peer.frame()).startswith(message("slow", number, REPLY, b""))
        assert handler.most == 11
        assert handler.ended == ["done"] * 11


async def test_a_client_that_goes_ends_its_handlers(network):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            peer.write(slow(4000, 1) + slow(4000, 2) + slow(4000, 3))
            await eventually(lambda: handler.running == 3)
        await eventually(lambda: handler.ended == ["cancelled"] * 3)
        assert node._links.describe() == []


@pytest.mark.parametrize("kind", [ONEWAY, 1])
async def test_oneway_calls_run_and_are_not_answered(network, kind, caplog):
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            for text in ("one", "raise", "two"):
                peer.write(call("forget", 5, kind, b"\x0b\0\1" + text_of(text) + b"\0"))
            peer.write(call("forget", 6, kind, b"\x0b\0\1\xff") + call("unheard", 7, ONEWAY) + touch("after", 8))
            assert await peer.frame() == touched("after", 8)[4:]
        assert handler.forgotten == ["one", "raise", "two"]
        assert caplog.text.count("its caller cannot be told") == 1


async def test_a_call_of_two_ways_may_be_sent_as_oneway(network):
    """By a caller whose older contract has it so; an answer would be taken for the next call's."""
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            peer.write(call("tick", 1, ONEWAY, b"\x0b\0\1" + text_of("x") + b"\0") + touch("after", 2))
            assert await peer.frame() == touched("after", 2)[4:]
        assert handler.ticks["x"] == 1


async def test_what_cannot_be_served_is_told(network):
    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Sleeper())
        async with raw(network, node.address) as peer:
            for name, kind, text in (
                ("tuch", 1, "served here: all, blob, block, echo, fail, forget, headers, nothing, slow, tick, touch"),
                ("Echo:tuch", 1, "Echo:tick, Echo:touch"),
                ("Ecko:touch", 1, "unknown service 'Ecko'; served here: Echo, Meta, interop"),
                ("echo", 7, "sample"),
            ):
                peer.write(call(name, 3, body=b"\0" if kind == 1 else b"\x0c\0\1\0\0"))
                got = told(await peer.frame(), name.rpartition(":")[2], 3)
                assert got[0] == kind
                assert text in got[1]
            for key, value, text in (
                ("client_timeout", "soon", "no number of milliseconds"),
                ("client_timeout", "-1", "no number"),
                ("client_timeout", "9" * 30, "no number"),
                ("caller", "", "1 to 255"),
                ("caller", "x" * 256, "1 to 255"),
            ):
                peer.write(frame(theader(touch("x", 4)[4:], texts({key: value}))))
                kind, reason = told((await peer.frame())[14 + 4 * 6 :], "touch", 4)
                assert kind == 7
                assert text in reason


async def test_a_trace_that_is_none_and_a_timeout_of_0_are_passed_over(network):
    seen = {}

    class Handler(Echo):
        async def headers(self):
            here = call_context.current()
            seen.update(left=here.remaining_ms(), caller=here.caller, trace=here.trace.id)
            return {}

    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Handler())
        async with raw(network, node.address) as peer:
            peer.write(frame(theader(call("headers")[4:], texts({"client_timeout": "0", "traceparent": "00-xyz"}))))
            assert (await peer.frame()).endswith(b"\x0d\0\0\x0b\x0b\0\0\0\0\0")
    assert seen["caller"] == "unknown"
    assert 500 < seen["left"] <= 1000


async def test_a_name_that_two_services_have_is_ambiguous(network):
    other = load_texts({"greeter.thrift": "service Greeter { string touch(1: string text) }"}, "greeter.thrift").module

    class Greeter:
        async def touch(self, text):
            return f"hello {text}"

    async with LocalMesh(network) as mesh:
        node = await mesh.node("both")
        node.serve(interop.Echo, Echo())
        node.serve(other.Greeter, Greeter())
        await node.start()
        async with raw(network, node.address) as peer:
            peer.write(touch("x", 1))
            kind, text = told(await peer.frame(), "touch")
            assert kind == 1
            assert "greeter:touch" in text
            assert "interop:touch" in text
            peer.write(touch("x", 2, "Greeter:touch"))
            assert await peer.frame() == touched("hello x", 2)[4:]
            peer.write(touch("x", 3, "interop:touch"))
            assert await peer.frame() == touched("x", 3)[4:]
            peer.write(call("nothing", 4))
            assert await peer.frame() == message("nothing", 4, REPLY)
            peer.write(call("Meta:health", 5))
            assert told(await peer.frame(), "health", 5)[0] == 1
            peer.write(call("greeter:health", 6))
            assert (await peer.frame()).startswith(message("health", 6, REPLY, b"\x0c\0\0"))


async def test_a_service_of_its_own_names_hides_meta(network):
    clinic = load_texts({"clinic.thrift": "service Clinic { string health(1: string who) }"}, "clinic.thrift").module

    class Clinic:
        async def health(self, who):
            return f"{who} is well"

    async with LocalMesh(network) as mesh:
        node = await mesh.serve(clinic.Clinic, Clinic())
        async with raw(network, node.address) as peer:
            for name in ("health", "Clinic:health", "clinic:health"):
                peer.write(touch("x", 1, name))
                assert await peer.frame() == message("health", 1, REPLY, b"\x0b\0\0" + text_of("x is well") + b"\0")
            peer.write(call("Meta:health", 2))
            assert (await peer.frame()).startswith(message("health", 2, REPLY, b"\x0c\0\0"))


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
    monkeypatch.setattr("mesh.net.framed.link.MAX_SERVING_BYTES", 300_000)
    async with LocalMesh(network) as mesh:
        handler = Sleeper()
        node = await mesh.serve(interop.Echo, handler)
        async with raw(network, node.address) as peer:
            blob = call("blob", 1, body=b"\x0b\0\1" + struct.pack(">i", 9_000) + bytes(9_000) + b"\0")
            peer.write(slow(4000) + blob * 40)
            await peer.closed
        await eventually(lambda: handler.ended == ["cancelled"])
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


async def test_refusals_have_their_names_in_theader(network):
    class Shedding(Echo):
        async def touch(self, text):
            raise Busy("later") if text == "busy" else BadRequest("never")

    async with LocalMesh(network) as mesh:
        node = await mesh.serve(interop.Echo, Shedding())
        caller = await mesh.node("caller")
        with pytest.raises(Busy, match="busy: later"):
            await caller.client(interop.Echo, peers=[node.address], protocol="theader").touch("busy")
        async with raw(network, node.address) as peer:
            peer.write(touch("busy"))
            assert told(await peer.frame(), "touch") == (6, "busy: later")
