"""Drives echo_server through what real callers do: sizes, headers, waiting, exceptions, twenty methods.

`python -m bench.scenarios --port PORT --pid PID NAME` prints what one scenario costs on both sides. One rule: one
connection, 64 calls in flight, each with a deadline, every answer checked; only what the name says differs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable

import uvloop

import mesh
from bench import frames, mix
from bench.contracts import mix as contract
from bench.workers import drive
from idl import interop
from mesh import Node

_DEADLINE_MS = 5_000
_IN_FLIGHT = 64
# 64 answers of 200 KB do not fit into a connection's write buffer: fewer, so that the codec and the frames are
# measured and not the waiting.
_IN_FLIGHT_LARGE = 4
_HEADERS = {f"x-header-{number}": f"value-{number}" * 2 for number in range(8)}

Call = Callable[[], Awaitable[object]]
NAMES = ("echo", "blob_100b", "blob_2kb", "blob_200kb", "headers", "suspends", "declared", "mix_20")


def _calls(name: str, echo: interop.EchoClient, twenty: contract.MixClient) -> Call:
    sample = interop.Sample(text=frames.TEXT, number=frames.NUMBER, items=frames.ITEMS)
    if name.startswith("blob_"):
        data = bytes({"blob_100b": 100, "blob_2kb": 2_000, "blob_200kb": 200_000}[name])

        async def blob() -> None:
            assert len(await echo.blob(data)) == len(data)

        return blob
    if name == "headers":

        async def headers() -> None:
            with mesh.headers(_HEADERS):
                assert len(await echo.headers()) == len(_HEADERS)

        return headers
    if name == "suspends":

        async def suspends() -> None:
            await echo.slow(0)

        return suspends
    if name == "declared":

        async def declared() -> None:
            try:
                await echo.fail("refused")
            except interop.Refused:
                return
            raise AssertionError("fail raises what it declares")

        return declared
    if name == "mix_20":
        turns = itertools.cycle(mix.calls(twenty))

        async def in_turn() -> None:
            await next(turns)()

        return in_turn

    async def plain() -> None:
        assert (await echo.echo(sample)).number == frames.NUMBER

    return plain


async def main(name: str, port: int, pid: int, warm_s: float, seconds: float) -> None:
    async with Node("bench", admin="off", env={}) as node:
        peers = [f"127.0.0.1:{port}"]
        call = _calls(name, node.client(interop.Echo, peers=peers), node.client(contract.Mix, peers=peers))

        async def with_deadline() -> None:
            with mesh.deadline(ms=_DEADLINE_MS):
                await call()

        in_flight = _IN_FLIGHT_LARGE if name == "blob_200kb" else _IN_FLIGHT
        window = await drive([with_deadline] * in_flight, pid, warm_s=warm_s, seconds=seconds)
    print(json.dumps(window.as_json()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--warm", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=0.8)
    told = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(told.name, told.port, told.pid, told.warm, told.seconds))
