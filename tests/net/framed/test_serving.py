"""Framed Thrift at the RPC port: beside TChannel, with the same handlers."""

from __future__ import annotations

import asyncio

import pytest

import mesh.call as call_context
from mesh.contract import load_texts
from mesh.errors import BadRequest, Busy
from mesh.testing.leaks import no_leaks
from mesh.testing.local import LocalMesh
from tests.net.framed.raw import raw
from tests.net.framed.stage import Sleeper, eventually, slow, text_of, told, touch, touched
from tests.node.interop import Echo, interop
from tests.wire.thrift.bytes import ONEWAY, REPLY, call, frame, message, texts, theader


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
