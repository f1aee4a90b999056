"""Two processes with incompatible contracts, over real sockets: what the caller's log, health and metrics say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mesh.contract.model import Contract
from tests.node.drift_pair import LINE, OURS, TEXT

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
import mesh
from tests.node.drift_pair import Handler
contract = mesh.load(sys.argv[1])

async def main():
    async with mesh.Node("pricing") as node:
        node.serve(contract.module.Pricing, Handler(contract))
        await node.run()

mesh.run(main())
"""
CALLER = """
import asyncio, sys
import mesh
contract = mesh.load(sys.argv[1])
peers = sys.argv[2:] or None

async def main():
    async with mesh.Node("rider") as node:
        client = node.client(contract.module.Pricing, peers=peers)

        async def call():
            while True:
                try:
                    with mesh.deadline(ms=30000):  # longer than a busy machine makes anybody wait
                        print("answer", await client.ping(), flush=True)
                except mesh.MeshError as error:
                    print("error", error, flush=True)
                await asyncio.sleep(0.2)

        calling = asyncio.create_task(call())
        await node.run()
        calling.cancel()

mesh.run(main())
"""


class Process:
    """One node. `line` waits for a line of its output that matches."""

    def __init__(self, program: str, *arguments: str, **env: str) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], cwd=ROOT, env=clean | env, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.said: list[str] = []

    async def line(self, pattern: str) -> re.Match[str]:
        async with asyncio.timeout(60):
            while True:
                text = await asyncio.to_thread(self._process.stdout.readline)  # type: ignore[union-attr]
                assert text, f"it ended without {pattern!r}: {self.said}"
                self.said.append(text)
                match = re.search(pattern, text)
                if match is not None:
                    return match

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def put(folder: Path, contract: Contract) -> str:
    folder.mkdir()
    for name, text in contract.texts.items():
        (folder / name).write_text(text)
    return str(folder / "pricing.thrift")


def page(admin: str, path: str) -> str:
    with urllib.request.urlopen(f"http://{admin}{path}", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.integration
@pytest.mark.parametrize("through", ["registry", "peers"])
async def test_two_processes_with_incompatible_contracts(tmp_path: Path, processes: ExitStack, through: str) -> None:
    registry = {"MESH_REGISTRY": f"file://{tmp_path}/peers.toml"} if through == "registry" else {}
    ours, theirs = put(tmp_path / "ours", OURS), put(tmp_path / "theirs", TEXT)
    here = {"MESH_LISTEN": "127.0.0.1:0", "MESH_ADMIN": "127.0.0.1:0", "MESH_SETTLE_MS": "0"}

    def start(program: str, *arguments: str) -> Process:
        process = Process(program, *arguments, **here, **registry)
        processes.callback(process.stop)
        return process

    server = start(SERVER, theirs)
    address = (await server.line(r"serves pricing at ([0-9.:]+),"))[1]
    caller = start(CALLER, ours, *([address] if through == "peers" else []))
    admin = (await caller.line(r"is ready: .* admin at ([0-9.:]+)"))[1]
    expected = f"contract drift: pricing at {address}: {LINE}"
    await caller.line(re.escape(expected))
    health: dict[str, Any] = json.loads(await asyncio.to_thread(page, admin, "/health"))  # 200: it is ready
    assert health["checks"]["contract:pricing"] == {"ok": True, "detail": expected}
    metrics = await asyncio.to_thread(page, admin, "/metrics")
    assert 'rpc_contract_drift{service="pricing",verdict="incompatible"} 1.0' in metrics
    peers = json.loads(await asyncio.to_thread(page, admin, "/debug/peers"))
    assert [row["differences"] for row in peers["contracts"]] == [[LINE]]
    await caller.line("answer 1")
    assert not [line for line in caller.said if line.startswith("error")]
    server.stop()
    async with asyncio.timeout(60):
        while "contract:pricing" in await asyncio.to_thread(page, admin, "/health"):
            await asyncio.sleep(0.05)
    assert sum("contract drift" in line for line in caller.said) == 1
