"""The service and the calls of bench/contracts/mix.thrift: twenty methods, in turn.

One rule: the handler does as little as a handler can and still answers with values of the right size.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bench.contracts import mix

_PRICE = mix.Money(cents=1299, currency="CAD")
_ITEM = mix.Item(sku="SKU-000-017", count=2, price=_PRICE, note="gift")
_ADDRESS = mix.Address(street="12 rue Ontario", city="Montreal", country="CA")
ORDER = mix.Order(
    id=70_000_001,
    customer="kim",
    state=mix.State.PAID,
    items=[_ITEM, _ITEM],
    address=_ADDRESS,
    labels={"tenant": "north"},
    weight_kg=1.25,
)


class Mix:
    """Answers every method with a constant."""

    async def get_order(self, id: int) -> mix.Order:
        return ORDER

    async def list_orders(self, customer: str, limit: int) -> list[mix.Order]:
        return [ORDER] * limit

    async def place(self, order: mix.Order) -> int:
        return order.id

    async def cancel_order(self, id: int, reason: str) -> None:
        return None

    async def total(self, items: list[mix.Item]) -> mix.Money:
        return _PRICE

    async def state_of(self, id: int) -> mix.State:
        return mix.State.PAID

    async def exists(self, id: int) -> bool:
        return True

    async def stock(self, skus: list[str]) -> dict[str, int]:
        return dict.fromkeys(skus, 7)

    async def address_of(self, customer: str) -> mix.Address:
        raise mix.NotFound(what=customer)

    async def set_address(self, customer: str, address: mix.Address) -> None:
        return None

    async def distance_km(self, lat: float, lon: float, to_lat: float, to_lon: float) -> float:
        return abs(lat - to_lat) + abs(lon - to_lon)

    async def tags(self, id: int) -> set[str]:
        return {"new", "paid"}

    async def label(self, id: int, labels: dict[str, str]) -> None:
        return None

    async def receipt(self, id: int) -> bytes:
        return b"%PDF" * 50

    async def greet(self, name: str, language: str) -> str:
        return name

    async def count_orders(self, customer: str) -> int:
        return 3

    async def recent(self, limit: int) -> list[int]:
        return list(range(limit))

    async def reprice(self, item: mix.Item, factor: float) -> mix.Item:
        return item

    async def search(self, words: str, offset: int, limit: int) -> list[mix.Item]:
        return [_ITEM] * limit

    async def ping(self) -> None:
        return None


def calls(client: Any) -> list[Callable[[], Awaitable[object]]]:
    """One call of each method, in the contract's order."""

    async def address_of() -> None:
        try:
            await client.address_of("kim")
        except mix.NotFound:
            return
        raise AssertionError("address_of raises what it declares")

    return [
        lambda: client.get_order(1),
        lambda: client.list_orders("kim", 3),
        lambda: client.place(ORDER),
        lambda: client.cancel_order(1, "changed my mind"),
        lambda: client.total([_ITEM] * 3),
        lambda: client.state_of(1),
        lambda: client.exists(1),
        lambda: client.stock(["SKU-000-017", "SKU-000-018"]),
        address_of,
        lambda: client.set_address("kim", _ADDRESS),
        lambda: client.distance_km(45.5, -73.6, 45.6, -73.5),
        lambda: client.tags(1),
        lambda: client.label(1, {"tenant": "north"}),
        lambda: client.receipt(1),
        lambda: client.greet("kim", "fr"),
        lambda: client.count_orders("kim"),
        lambda: client.recent(10),
        lambda: client.reprice(_ITEM, 1.1),
        lambda: client.search("gift", 0, 3),
        lambda: client.ping(),
    ]
