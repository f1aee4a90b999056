"""`mesh call` against a TChannel server that is not ours: no Meta::thriftIDL, its own errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh import wire
from mesh.errors import BadRequest, Busy, CallTimeout
from tests.cli.conftest import Run

pytestmark = pytest.mark.integration

IDL = "service Echo { string say(1: required string text) }\n"


class Foreign:
    """A server of the bare protocol: it knows `Echo::say` and answers everything else with bad request."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        connection = wire.Connection(False, wire.Identity("127.0.0.1:1", "foreign", {}))
        connection.start(clock())
        while data := await reader.read(65536):
            for event in connection.receive(data, clock()):
                if isinstance(event, wire.CallReceived):
                    self._answer(connection, event, clock())
            writer.write(connection.data_to_send())
        writer.close()

    def _answer(self, connection: wire.Connection, call: wire.CallReceived, now: float) -> None:
        self.headers.append(dict(call.headers))
        text = call.arg3[7:-1]
        if call.arg1 != b"Echo::say":
            connection.respond_error(call.id, 0x06, "no such endpoint")
        elif text == b"busy":
            connection.respond_error(call.id, 0x03, "come back later")
        elif text != b"silence":
            result = b"\x0b\x00\x00" + len(text).to_bytes(4, "big") + text + b"\x00"
            connection.respond(call.id, ok=True, arg2=b"\x00\x00", arg3=result)


@pytest.fixture
async def foreign() -> AsyncIterator[tuple[Foreign, str]]:
    made = Foreign()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield made, f"{host}:{port}"


@pytest.fixture
def idl(tmp_path: Path) -> str:
    path = tmp_path / "echo.thrift"
    path.write_text(IDL)
    return str(path)


async def test_an_answer(run: Run, foreign: tuple[Foreign, str], idl: str) -> None:
    server, peer = foreign
    ran = await run("call", "far-away", "Echo::say", '{"text": "hé"}', "--peer", peer, "--idl", idl, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["value"] == "hé"
    assert server.headers[0]["as"] == "thrift"
    assert server.headers[0]["cn"] == "mesh-cli"


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [("busy", Busy.kind.exit, "come back later"), ("silence", CallTimeout.kind.exit, "100 ms")],
)
async def test_failures(run: Run, foreign: tuple[Foreign, str], idl: str, text: str, code: int, part: str) -> None:
    body = json.dumps({"text": text})
    ran = await run("call", "far-away", "Echo::say", body, "--peer", foreign[1], "--idl", idl, "--timeout", "100")
    assert ran.code == code
    assert part in ran.err


async def test_a_server_that_does_not_tell_its_contract(run: Run, foreign: tuple[Foreign, str]) -> None:
    ran = await run("call", "far-away", "Echo::say", '{"text": "x"}', "--peer", foreign[1])
    assert ran.code == BadRequest.kind.exit
    assert "does not tell its contract" in ran.err
    assert "no such endpoint" in ran.err
    assert "--idl FILE" in ran.err
