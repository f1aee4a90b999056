"""A client for servers of framed Thrift: its connections, and what servers may do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

import mesh.call as call_context
from mesh.errors import (
    TABLE,
    BadRequest,
    Busy,
    CallTimeout,
    InvalidReply,
    NetworkError,
    ProtocolError,
    Unexpected,
    UnknownMethod,
    Unreachable,
    from_thrift,
)
from mesh.net import TcpNetwork
from mesh.net.framed import pool
from mesh.testing.leaks import no_leaks
from mesh.testing.local import LocalMesh
from mesh.testing.memory import MemoryNetwork
from mesh.testing.virtual import virtual_time
from mesh.wire.thrift import envelope
from tests.node.interop import Echo, interop
from tests.wire.thrift.bytes import EXCEPTION, REPLY, call, error, frame, message, texts, theader

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """A TCP server of a few lines; gives its address."""
    tasks = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(run, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def request(reader: asyncio.StreamReader) -> envelope.Envelope:
    size = int.from_bytes(await reader.readexactly(4))
    return envelope.read(await reader.readexactly(size))


def answering(*answers: bytes) -> Serve:
    """Writes the next of these bytes for each request; b"" ends the connection."""
    left = list(answers)

    async def serve(reader, writer):
        while True:
            await request(reader)
            data = left.pop(0)
            if not data:
                return
            writer.write(data)

    return serve


TEXT = b"\x0b\0\0\0\0\0\2ok\0"


@asynccontextmanager
async def client_of(address: str, protocol: str = "framed"):
    async with LocalMesh(TcpNetwork()) as mesh:
        node = await mesh.node("caller")
        yield node, node.client(interop.Echo, peers=[address], protocol=protocol)


async def test_a_connection_is_used_again(network):
    async with no_leaks(), LocalMesh(network) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        for number in range(20):
            assert await client.touch(str(number)) == str(number)
        assert len(node._links.describe()) == 1
        assert node._pools.describe() == [
            {"address": server_node.address, "state": "framed", "calls": 0, "connections": 1}
        ]


async def test_no_more_connections_than_there_may_be(network, monkeypatch):
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 5)
    async with LocalMesh(network) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        with call_context.deadline(ms=10_000):
            assert await asyncio.gather(*(client.slow(5) for _ in range(40))) == [5.0] * 40
        assert len(node._links.describe()) == 5


@virtual_time
async def test_unused_connections_are_given_back():
    async with LocalMesh(MemoryNetwork()) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        await asyncio.gather(*(client.touch("x") for _ in range(3)))
        await asyncio.sleep(pool.IDLE_S / 2)
        await client.touch("x")
        await asyncio.sleep(pool.IDLE_S / 2 + 1)
        assert len(node._links.describe()) == 1
        await asyncio.sleep(pool.IDLE_S)
        assert node._links.describe() == []
        assert node._pools.describe() == []


async def test_a_late_answer_finds_its_connection_closed():
    """It bears a seqid that a new connection would use as well."""

    async def serve(reader, writer):
        asked = await request(reader)
        await asyncio.sleep(0.1 if asked.name == b"slow" else 0)
        body = b"\x04\0\0" + bytes(8) + b"\0" if asked.name == b"slow" else TEXT
        writer.write(call(asked.name.decode(), asked.seqid, REPLY, body))
        await serve(reader, writer)

    async with server(serve) as address, client_of(address) as (node, client):
        with pytest.raises(CallTimeout), call_context.deadline(ms=20):
            await client.slow(100)
        assert node._links.describe() == []
        assert await client.touch("x") == "ok"
        cancelled = asyncio.create_task(client.slow(100))
        await asyncio.sleep(0.02)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert [await client.touch("x") for _ in range(3)] == ["ok"] * 3
        await asyncio.sleep(0.1)
        assert await client.touch("x") == "ok"


async def test_a_connection_that_the_server_closed_is_not_used_again():
    async with server(answering(call("touch", 1, REPLY, TEXT), b"")) as address, client_of(address) as (node, client):
        assert await client.touch("x") == "ok"
        with pytest.raises(NetworkError, match="closed the connection"):
            await client.touch("x")  # the server closed it after it had read this

    async def once(reader, writer):
        asked = await request(reader)
        writer.write(call("touch", asked.seqid, REPLY, TEXT))

    async with server(once) as address, client_of(address) as (node, client):
        for _ in range(5):
            assert await client.touch("x") == "ok"
            async with asyncio.timeout(5):
                while node._links.describe():
                    await asyncio.sleep(0.001)


async def test_a_connection_that_ended_in_this_very_turn_is_not_used_again(network):
    async with LocalMesh(network) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        for _ in range(3):
            assert await client.touch("x") == "x"
            [connection] = node._links
            connection.close("the test says so")
        assert await client.touch("x") == "x"


ANSWERS = {
    "another seqid": (call("touch", 9, REPLY, TEXT), ProtocolError, "seqid 9, where 1 is due"),
    "another method": (call("tick", 1, REPLY, TEXT), ProtocolError, "'tick', where one to b'touch' is due"),
    "half an answer": (call("touch", 1, REPLY, TEXT)[:-3], CallTimeout, ""),
    "no Thrift": (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolError, "HTTP/1"),
    "TChannel": (bytes.fromhex("0040010000000001") + bytes(60), ProtocolError, "something else"),
    "too long": (b"\x7f\xff\xff\xff\x80\1", ProtocolError, "the limit is"),
    "an end": (b"", NetworkError, "closed the connection"),
    "no result": (call("touch", 1, REPLY, b"\0"), InvalidReply, "result"),
    "another result": (call("touch", 1, REPLY, b"\x08\0\0\0\0\0\1\0"), InvalidReply, "string"),
    "an exception that is not declared": (call("touch", 1, REPLY, b"\x0c\0\x05\0\0"), InvalidReply, "not declare"),
    "a cut struct": (call("touch", 1, REPLY, b"\x0b\0\0\0\0\0\x09ok\0"), InvalidReply, ""),
    "an empty body": (call("touch", 1, REPLY, b""), InvalidReply, ""),
    "unknown method": (call("touch", 1, EXCEPTION, error(1, "no")), UnknownMethod, "no"),
    "npm's unknown method": (
        call("touch", 1, EXCEPTION, error(0, "Unknown function touch")),
        UnknownMethod,
        "function",
    ),
    "npm's undeclared": (call("touch", 1, EXCEPTION, error(0, "boom")), Unexpected, "boom"),
    "without a name": (call("", 1, EXCEPTION, error(7, "what?")), BadRequest, "what?"),
    "without a text": (call("touch", 1, EXCEPTION, b"\0"), Unexpected, "type 0 without a text"),
    "fbthrift's overload": (call("touch", 1, EXCEPTION, error(11, "busy")), Busy, "busy"),
}


@pytest.mark.parametrize(("answer", "row", "text"), ANSWERS.values(), ids=ANSWERS)
async def test_what_a_server_may_answer(answer, row, text):
    async with server(answering(answer, answer)) as address, client_of(address) as (_, client):
        with pytest.raises(row) as failed, call_context.deadline(ms=2000 if row is not CallTimeout else 50):
            await client.touch("x")
        assert type(failed.value) is row
        assert text in str(failed.value)
        assert address in str(failed.value)


async def test_the_connection_lives_on_after_an_error():
    answers = call("touch", 1, EXCEPTION, error(6, "no")), call("touch", 2, REPLY, TEXT)
    async with server(answering(*answers)) as address, client_of(address) as (_, client):
        with pytest.raises(Unexpected):
            await client.touch("x")
        assert await client.touch("x") == "ok"


async def test_nobody_listens_and_nobody_answers():
    async with server(answering()) as address:
        pass
    async with client_of(address) as (_, client):
        with pytest.raises(Unreachable, match="cannot connect"):
            await client.touch("x")


async def test_what_did_not_run_goes_to_another_endpoint():
    busy = frame(theader(message("touch", 1, EXCEPTION, error(6, "busy: no")), texts({"$mesh$error": "busy"})))
    fine = frame(theader(message("touch", 1, REPLY, TEXT)))

    def serve(answer):
        async def serve(reader, writer):
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                await reader.readexactly(size)
                writer.write(answer)

        return serve

    async with server(serve(busy)) as one, server(serve(fine)) as two, LocalMesh(TcpNetwork()) as mesh:
        node = await mesh.node("caller")
        for _ in range(4):  # a client each, so that neither knows yet who is busy
            client = node.client(interop.Echo, peers=[one, two], protocol="theader")
            assert await client.touch("x") == "ok"
            for connection in list(node._links):
                connection.close("the seqid starts again")
            await asyncio.sleep(0)


async def test_headers_need_theader():
    async with server(answering()) as address, client_of(address) as (node, client):
        with call_context.headers({"a": "b"}), pytest.raises(BadRequest, match="protocol='theader'"):
            await client.touch("x")
        with_headers = node.client(interop.Echo, peers=[address], protocol="theader")
        with (
            call_context.headers({"caller": "me"}),
            pytest.raises(BadRequest, match="'caller' belongs to the protocol"),
        ):
            await with_headers.touch("x")
        with pytest.raises(ValueError, match="expected one of tchannel, framed"):
            node.client(interop.Echo, peers=[address], protocol="thrift")


async def test_stopping_ends_calls_under_way(network):
    async with no_leaks(), LocalMesh(network) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        with call_context.deadline(ms=4000):
            under_way = asyncio.create_task(client.slow(3000))
        async with asyncio.timeout(5):
            while not any(link["calls_out"] for link in node._links.describe()):
                await asyncio.sleep(0.001)
        await node.stop()
        with pytest.raises(NetworkError, match="stopping"):
            await under_way
        with pytest.raises(Unreachable, match="stopping"):
            await client.touch("x")


async def test_who_waits_for_a_connection_when_the_node_stops_gets_none(network, monkeypatch):
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 1)
    async with no_leaks(), LocalMesh(network) as mesh:
        server_node = await mesh.serve(interop.Echo, Echo())
        node = await mesh.node("caller")
        client = node.client(interop.Echo, peers=[server_node.address], protocol="framed")
        with call_context.deadline(ms=4000):
            waiting = [asyncio.create_task(client.slow(3000)) for _ in range(5)]
        async with asyncio.timeout(5):
            while not any(link["calls_out"] for link in node._links.describe()):
                await asyncio.sleep(0.001)
        await node.stop()
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in failed] == [NetworkError] + [Unreachable] * 4
        assert list(node._links) == []


@pytest.mark.parametrize("row", TABLE)
def test_every_row_finds_back_by_its_name(row):
    assert type(from_thrift(row.kind.thrift, "x", row.kind.name)) is row
    assert type(from_thrift(row.kind.thrift, "x", "no such name")) in (row, Unexpected, UnknownMethod)


def test_application_exception_types_claim_no_more_than_they_say():
    """Only what refuses a request before it runs may say that nothing ran."""
    for kind in range(-1, 20):
        error = from_thrift(kind, "x")
        assert error.kind.may_have_run is (kind not in (1, 2, 7, 8, 9, 10, 11))
