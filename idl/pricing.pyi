# Made by `mesh idl build` out of pricing.thrift. Do not edit.

from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Final, Protocol
from . import geo as geo

class Currency:
    CAD: Final = 1
    _VALUES_TO_NAMES: Final[dict[int, str]]
    _NAMES_TO_VALUES: Final[dict[str, int]]

class QuoteRequest:
    km: float | None
    stops: list[geo.Point] | None
    hour: int | None
    def __init__(self, *, km: float | None = None, stops: list[geo.Point] | None = None, hour: int | None = None) -> None: ...

class Quote:
    fare_cents: int
    currency: int
    km: float
    surge: float
    zone: str | None
    hour: int
    def __init__(self, *, fare_cents: int, currency: int, km: float, surge: float, hour: int, zone: str | None = None) -> None: ...

class BadRoute(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class PricingClient(Protocol):
    async def quote(self, request: QuoteRequest) -> Quote: ...

class PricingHandler(Protocol):
    def quote(self, request: QuoteRequest, /) -> Quote | Awaitable[Quote]: ...

class PricingBlockingClient(Protocol):
    def quote(self, request: QuoteRequest) -> Quote: ...

class Pricing(ServiceOf[PricingClient, PricingHandler, PricingBlockingClient]): ...
