"""The server being measured: a node as any service has it, with every filter, metrics and deadlines on."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import uvloop

import mesh
from bench import mix
from bench.contracts import mix as contract
from idl import interop
from mesh import Node


class Echo:
    """The whole contract, since a node serves whole contracts; `echo` is the benchmark's call."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    async def echo(self, sample: interop.Sample) -> interop.Sample:
        return sample

    async def touch(self, text: str) -> str:
        return text

    async def all(self, everything: interop.Everything) -> interop.Everything:
        return everything

    async def blob(self, data: bytes) -> bytes:
        return data

    async def slow(self, ms: int) -> float:
        started = time.monotonic()
        await asyncio.sleep(ms / 1000)
        return (time.monotonic() - started) * 1000

    def block(self, ms: int) -> float:
        started = time.monotonic()
        time.sleep(ms / 1000)
        return (time.monotonic() - started) * 1000

    async def fail(self, kind: str) -> None:
        errors = {"refused": interop.Refused("refused, as asked"), "broken": interop.Broken("broken, as asked")}
        raise errors.get(kind) or RuntimeError(kind)

    async def tick(self, counter: str) -> int:
        self._counts[counter] += 1
        return self._counts[counter]

    async def headers(self) -> dict[str, str]:
        context = mesh.current()
        context.reply_headers.update(context.headers)
        return dict(context.headers)

    async def nothing(self) -> None:
        return None

    async def forget(self, text: str) -> None:
        return None


async def main() -> None:
    async with Node("interop", listen="127.0.0.1:0") as node:
        node.serve(interop.Echo, Echo())
        node.serve(contract.Mix, mix.Mix())
        await node.start()
        admin = node.admin.address if node.admin is not None else None
        print(json.dumps({"port": int(node.address.rpartition(":")[2]), "admin": admin}), flush=True)
        await node.run()


if __name__ == "__main__":
    # asyncio's own loop would do as well; uvloop is what the extra `fast` brings, and what a production node runs on.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
