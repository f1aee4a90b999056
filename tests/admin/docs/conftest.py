"""A node with an admin side, to be asked by hand or by a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mesh
from mesh.contract import load
from mesh.contract.model import Contract

IDL = """
include "places.thrift"
enum Colour { RED = 1, BLUE = 5 }
struct Order {
  1: required i32 count (min = "1", max = "100")
  2: optional Colour colour
  3: optional string phone (pii = "true")
  4: optional list<places.Place> via
  5: optional Order more
  6: optional i64 big
  7: optional string note (deprecated = "<img src=x onerror=alert(1)>", max_length = "40", pattern = "[a-z<>]*")
}
exception SoldOut { 1: required string what } (fault = "service")
service Shop {
  Order buy(1: Order order) throws (1: SoldOut sold_out) (
    idempotent = "true", timeout_ms = "5000", priority = "critical", sla.p99_ms = "50")
  void wait(1: double seconds) (timeout_ms = "60000")
  string crash() (deprecated = "it only crashes; use buy")
  string header(1: string name)
  oneway void shout(1: string text)
} (owner = "retail", sla.availability = "99.5")
"""


class Shop:
    """`calls` are the methods that ran; an order of 13 is sold out."""

    def __init__(self, contract: Contract) -> None:
        self.calls: list[str] = []
        self.heard = asyncio.Event()
        self.waiting = asyncio.Event()
        self.given_up = asyncio.Event()
        self._sold_out: Any = contract.module.SoldOut  # type: ignore[attr-defined]

    async def buy(self, order: Any) -> Any:
        self.calls.append("buy")
        if order.count == 13:
            raise self._sold_out(what="bread")
        return order

    async def wait(self, seconds: float) -> None:
        self.calls.append("wait")
        self.waiting.set()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.given_up.set()
            raise

    async def crash(self) -> str:
        raise RuntimeError("a secret")

    async def header(self, name: str) -> str:
        self.calls.append("header")
        return mesh.current().headers.get(name, "none")

    async def shout(self, text: str) -> None:
        self.calls.append(f"shout {text}")
        self.heard.set()


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    folder = tmp_path_factory.mktemp("idl")
    (folder / "places.thrift").write_text("struct Place { 1: required string city }", "utf-8")
    (folder / "shop.thrift").write_text(IDL, "utf-8")
    return load(folder / "shop.thrift")


@pytest.fixture
def handler(contract: Contract) -> Shop:
    return Shop(contract)


@pytest.fixture
async def node(contract: Contract, handler: Shop) -> AsyncIterator[mesh.Node]:
    async with mesh.Node("shop", listen="127.0.0.1:0", admin="127.0.0.1:0", settle_ms=0) as node:
        node.serve(contract.module.Shop, handler)  # type: ignore[attr-defined]
        await node.start()
        yield node
