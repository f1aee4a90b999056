"""Two versions of one contract, and what serves them."""

from __future__ import annotations

from typing import Any

from mesh.contract import load_texts
from mesh.contract.model import Contract


def contract(quote_request: str, *, name: str = "pricing", more: str = "") -> Contract:
    text = f"""
    include "money.thrift"
    struct QuoteRequest {{ {quote_request} }}
    {more}
    service Pricing {{ money.Amount quote(1: QuoteRequest request)  i32 ping() }}
    """
    money = "struct Amount { 1: required i64 cents }"
    return load_texts({f"{name}.thrift": text, "money.thrift": money}, f"{name}.thrift")


OURS = contract("1: required double km")
TEXT = contract("1: required string km")  # incompatible
MORE = contract("1: required double km, 2: optional string note")  # compatible

LINE = "Pricing::quote, QuoteRequest.km is double here and string there"


class Handler:
    """Serves any of them."""

    def __init__(self, contract: Contract) -> None:
        self._amount: Any = contract.module.money.Amount  # type: ignore[attr-defined]

    async def quote(self, request: Any) -> Any:
        return self._amount(cents=1)

    async def ping(self) -> int:
        return 1


def pricing(contract: Contract) -> Any:
    return contract.module.Pricing  # type: ignore[attr-defined]
