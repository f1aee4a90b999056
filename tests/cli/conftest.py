"""A served contract and the command line against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.cli.main import main

IDL = """
include "places.thrift"
enum Colour { RED = 1, BLUE = 5 }
struct Order { 1: required i32 count (min = "1"), 2: optional Colour colour, 3: optional string phone (pii = "true") }
exception SoldOut { 1: required string what } (fault = "service")
service Shop {
  Order buy(1: Order order) throws (1: SoldOut sold_out) (idempotent = "true", timeout_ms = "5000", sla.p99_ms = "50")
  void wait(1: double seconds) (timeout_ms = "60000")
  string crash()
  string echo(1: string header)
  list<places.Place> where()
  oneway void shout(1: string text)
} (owner = "retail", sla.availability = "99.5")
"""
PLACES = "struct Place { 1: required string city }\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MESH_REGISTRY", "MESH_CONFIG", "MESH_TOKEN", "CONSUL_HTTP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `mesh ARGUMENTS` in a thread of its own, as it has a loop of its own."""

    async def run(*arguments: str) -> Ran:
        capsys.readouterr()

        def go() -> int:
            try:
                return main(arguments)
            except SystemExit as left:  # argparse
                return int(left.code or 0)

        code = await asyncio.to_thread(go)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def idl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idl")
    (folder / "places.thrift").write_text(PLACES)
    path = folder / "shop.thrift"
    path.write_text(IDL)
    return path


class Shop:
    def __init__(self, module: Any) -> None:
        self._module = module

    async def buy(self, order: Any) -> Any:
        if order.count > 100:
            raise self._module.SoldOut(what="apples")
        return order

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def crash(self) -> str:
        raise RuntimeError("a secret")

    async def echo(self, header: str) -> str:
        context = mesh.current()
        context.reply_headers["seen-by"] = context.caller or ""
        context.reply_headers["trace"] = context.trace.id if context.trace else ""
        return context.headers.get(header, "")

    async def shout(self, text: str) -> None:
        raise AssertionError("TChannel carries no oneway methods")

    async def where(self) -> Any:
        return [self._module.places.Place(city="Montréal")]


@pytest.fixture
async def shop(idl: Path) -> AsyncIterator[mesh.Node]:
    """A node that serves the contract, without a registry."""
    contract = mesh.load(idl)
    module = contract.module
    module.places = contract.includes["places"].module
    async with mesh.Node("shop", listen="127.0.0.1:0", admin="off", env={}) as node:
        node.serve(module.Shop, Shop(module))
        await node.start()
        yield node


@pytest.fixture
def registry(shop: mesh.Node, tmp_path: Path) -> str:
    """A peers file that knows the shop, and a dead instance of another service."""
    path = tmp_path / "peers.toml"
    path.write_text(
        f'[services]\nshop = [{{address = "{shop.address}", zone = "west", meta = {{version = "7"}}}}]\n'
        'ghost = ["127.0.0.1:1"]\n'
    )
    return f"file://{path}"
