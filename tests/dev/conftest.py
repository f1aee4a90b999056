"""A small project in a folder of its own, and `mesh dev` running in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0  # for an event; a hang fails with what was told until then

PLAN = """name = "shop"
[services.quotes]
instances = 2
[services.news]
"""
IDL = """service Quotes {
  string quote(1: string what) (idempotent = "true", timeout_ms = "1000")
  string ping() (idempotent = "true", timeout_ms = "5000")
}
"""
HANDLER = """import asyncio
import time

from services.shared import PREFIX


class Quotes:
    async def quote(self, what):
        return PREFIX + what

    async def ping(self):
        return "pong"
"""
MAIN = """import mesh
from idl import {name}
from mesh.node import Node
from services.{name}.handler import {cls}


async def main():
    async with Node("{name}") as node:
        node.serve({name}.{cls}, {cls}())
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
"""


class Project:
    """Files that are written as an editor writes them."""

    def __init__(self, folder):
        self.folder = folder
        self.write("cluster.toml", PLAN)
        self.write("idl/__init__.py", "import mesh\nmesh.contracts(__name__)\n")
        self.write("idl/quotes.thrift", IDL)
        self.write("idl/news.thrift", IDL.replace("Quotes", "News"))
        self.write("services/__init__.py", "")
        self.write("services/shared.py", 'PREFIX = "one "\n')
        for name, cls in (("quotes", "Quotes"), ("news", "News")):
            self.write(f"services/{name}/__init__.py", "")
            self.write(f"services/{name}/__main__.py", MAIN.format(name=name, cls=cls))
            self.write(f"services/{name}/handler.py", HANDLER.replace("Quotes", cls))

    def write(self, name, text):
        """By an atomic rename, through a temporary file beside it: as most editors do."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.tmp")
        half.write_text(text)
        half.replace(path)

    def replace(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))


class Dev:
    """`mesh dev --json` as a child: its events as they come."""

    def __init__(self, process):
        self.process = process
        self.events = []
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            self._arrived.set()

    async def event(self, kind, **fields):
        """The next event of this kind (with these fields) that nobody has waited for yet."""
        position, until = 0, time.monotonic() + WAIT_S
        while True:
            for number, event in enumerate(self.events[position:], position):
                if event["event"] == kind and all(event.get(key) == value for key, value in fields.items()):
                    del self.events[: number + 1]
                    return event
            position = len(self.events)
            self._arrived.clear()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await self._arrived.wait()
            except TimeoutError:
                raise AssertionError(f"no {kind} {fields}; told was {json.dumps(self.events, indent=1)}") from None

    def told(self, kind):
        return [event for event in self.events if event["event"] == kind]

    async def end(self):
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(WAIT_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self._reading


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture
async def dev(project, environment):
    """`await dev("quotes", "--no-consul")`: mesh dev in the project, ended with the test."""
    async with contextlib.AsyncExitStack() as running:

        async def start(*arguments):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mesh.cli.main", "dev", "--json", *arguments),
                cwd=project.folder,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                limit=2**20,
            )
            started = Dev(process)
            running.push_async_callback(started.end)
            return started

        yield start
