"""The interop contract, loaded as a tool would, and a handler that serves all of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import mesh.call
from mesh.contract import load

CONTRACT = load(Path(__file__).parents[2] / "idl" / "interop.thrift")
interop = CONTRACT.module


class Echo:
    def __init__(self) -> None:
        self.ticks: Counter[str] = Counter()

    async def touch(self, text):
        return text

    async def echo(self, sample):
        return sample

    async def all(self, everything):
        return everything

    async def blob(self, data):
        return data

    async def slow(self, ms):
        await asyncio.sleep(ms / 1000)
        return float(ms)

    async def block(self, ms):
        return float(ms)

    async def fail(self, kind):
        if kind == "refused":
            raise interop.Refused(message="as you asked")
        if kind == "broken":
            raise interop.Broken(message="as you asked")
        raise RuntimeError(kind)

    async def tick(self, counter):
        self.ticks[counter] += 1
        return self.ticks[counter]

    async def headers(self):
        return dict(mesh.call.current().headers)

    async def nothing(self):
        return None

    async def forget(self, text):
        return None
