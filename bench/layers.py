"""`python -m bench.layers`: where the microseconds of a call go, layer by layer, without a socket; JSON on stdout.

One rule: a layer's figure is the difference between two runs that differ by that layer alone, best of many, on the
process's own CPU time. A sum of such figures is less than a call in a real server, where caches are cold and the
kernel has its part: `make bench` has that; this says what to look at.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvloop

import mesh
from bench import frames
from bench.echo_server import Echo
from idl import interop
from mesh import Node
from mesh.balance import Endpoint, EndpointSet, RoundRobin
from mesh.call import OK, Call, Layer, LoopClock, Reply, Stack, TimerWheel
from mesh.contract.model import Method
from mesh.filters import CallMetrics
from mesh.node.client import client_method
from mesh.stacks import client_stack
from mesh.wire import Connection, Identity, encode_transport_headers

_REPEATS = 12
_CALLS = 2_000
_SAMPLE = interop.Sample(text=frames.TEXT, number=frames.NUMBER, items=frames.ITEMS)


def _best_us(work: Callable[[], object]) -> float:
    """Of `work`, which does `_CALLS` calls: microseconds of one."""
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best / _CALLS * 1e6


async def _best_awaited_us(call: Callable[[], Awaitable[object]]) -> float:
    async def caller(count: int) -> None:
        for _ in range(count):
            await call()

    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        await asyncio.gather(*(caller(_CALLS // 50) for _ in range(50)))
        best = min(best, time.process_time() - started)
    return best / _CALLS * 1e6


class _Sink(asyncio.Transport):
    """Takes what a link writes and does nothing with it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})

    def write(self, data: Any) -> None:
        return None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return None


def wire_us() -> dict[str, float]:
    """The state machine alone: a call read and its answer written, a call written and its answer read."""
    headers = encode_transport_headers({"as": "thrift", "cn": "bench"})
    client = Connection(True, Identity("0.0.0.0:0", "bench"))
    server = Connection(False, Identity("127.0.0.1:1", "bench"))
    client.start(0.0)
    server.start(0.0)
    server.receive(client.data_to_send(), 0.0)
    client.receive(server.data_to_send(), 0.0)
    body = bytes(88)
    calls: list[bytes] = []
    ids: list[int] = []
    answers: list[bytes] = []
    spent = dict.fromkeys(("send_call", "read_call", "send_answer", "read_answer"), float("inf"))

    def lap(name: str, started: float) -> None:
        spent[name] = min(spent[name], (time.process_time() - started) / _CALLS * 1e6)

    for _ in range(_REPEATS):
        calls.clear(), ids.clear(), answers.clear()
        started = time.process_time()
        for _ in range(_CALLS):
            ids.append(client.send_call(1.0, 1000, bytes(25), "interop", headers, b"Echo::echo", b"\0\0", body))
            calls.append(client.data_to_send())
        lap("send_call", started)
        started = time.process_time()
        for data in calls:
            server.receive(data, 1.0)
        lap("read_call", started)
        started = time.process_time()
        for id in ids:
            server.respond(id, True, b"\0\0", body)
            answers.append(server.data_to_send())
        lap("send_answer", started)
        started = time.process_time()
        for data in answers:
            client.receive(data, 1.0)
        lap("read_answer", started)
    return spent


def codec_us(method: Method) -> dict[str, float]:
    codec = method.codec
    body = codec.encode_args((_SAMPLE,))
    return {
        "decode": _best_us(lambda: [codec.decode_args(body) for _ in range(_CALLS)]),
        "encode": _best_us(lambda: [codec.encode_result(_SAMPLE) for _ in range(_CALLS)]),
    }


async def server_us(node: Node) -> dict[str, float]:
    """From the bytes of a call to the bytes of its answer, in this process."""
    link = node._doors.link(dialler=False)
    link.connection_made(_Sink())
    link.data_received(frames.init_request())
    call, number = frames.call(), 0

    def numbered() -> bytes:
        nonlocal number
        number += 1
        return call[:4] + struct.pack(">I", number) + call[8:]

    loop = asyncio.get_running_loop()
    best = float("inf")
    for _ in range(_REPEATS):
        work = [numbered() for _ in range(_CALLS)]
        done = loop.create_future()

        def turn(left: list[bytes] = work, done: asyncio.Future[None] = done) -> None:
            for data in left:  # in a loop callback, as from a socket: inside a task no handler starts at once
                link.data_received(data)
            done.set_result(None)

        loop.call_soon(turn)
        started = time.process_time()
        await done
        best = min(best, time.process_time() - started)
    link.connection_lost(None)
    return {"call": best / _CALLS * 1e6}


async def client_us(method: Method) -> dict[str, float]:
    """The client stack, a layer more in each run, over a leaf that waits once and answers."""
    loop, rng = asyncio.get_running_loop(), random.Random(1)
    clock = LoopClock()
    wheel = TimerWheel(clock)
    endpoints = EndpointSet("interop", "bench")
    endpoints.update([Endpoint("127.0.0.1:1")])
    stack = client_stack(
        clock=clock, wheel=wheel, rng=rng, calls=CallMetrics("c"), attempts=CallMetrics("a"),
        endpoints_of=lambda _: endpoints, balancer=RoundRobin(clock, rng),
    )  # fmt: skip
    answer = Reply(OK, b"", value=_SAMPLE)
    waiting: list[asyncio.Future[None]] = []

    def wake() -> None:
        woken, waiting[:] = waiting[:], []
        for future in woken:
            future.set_result(None)

    async def leaf(call: Call) -> Reply:
        if not waiting:
            loop.call_soon(wake)
        future = loop.create_future()
        waiting.append(future)
        await future
        return answer

    figures, before = {}, 0.0
    layers: list[Layer] = []
    for name, layer in [("client object, encode, one task switch", None), *((layer.name, layer) for layer in stack)]:
        layers += [layer] if layer is not None else []
        call = client_method(method, "bench", "interop", Stack(*layers).build("interop", method, leaf))
        total = await _best_awaited_us(lambda call=call: call(_SAMPLE))  # type: ignore[misc]
        figures[name] = total - before
        before = total
    wheel.close()

    def scopes() -> None:
        for _ in range(_CALLS):
            with mesh.deadline(ms=1000):
                pass

    return figures | {"a deadline scope around it": _best_us(scopes)}


async def main() -> dict[str, dict[str, float]]:
    async with Node("interop", listen="127.0.0.1:0", admin="off", env={}) as node:
        node.serve(interop.Echo, Echo())
        await node.start()
        service: Any = interop.Echo
        method = cast(Method, service.__mesh_service__.methods["echo"])
        return {
            "wire": wire_us(),
            "codec": codec_us(method),
            "server": await server_us(node),
            "client": await client_us(method),
        }


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(main())
    print(json.dumps({part: {key: round(us, 2) for key, us in each.items()} for part, each in told.items()}, indent=2))
