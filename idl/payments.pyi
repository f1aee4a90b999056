# Made by `mesh idl build` out of payments.thrift. Do not edit.

from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Protocol

class ChargeRequest:
    trip_id: str
    rider_id: str
    amount_cents: int
    def __init__(self, *, trip_id: str, rider_id: str, amount_cents: int) -> None: ...

class Receipt:
    charge_id: str
    trip_id: str
    amount_cents: int
    fresh: bool
    def __init__(self, *, charge_id: str, trip_id: str, amount_cents: int, fresh: bool) -> None: ...

class ChargeConflict(Exception):
    message: str
    charged_cents: int
    def __init__(self, *, message: str, charged_cents: int) -> None: ...

class NoCharge(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class PaymentsClient(Protocol):
    async def charge(self, request: ChargeRequest) -> Receipt: ...
    async def receipt(self, trip_id: str) -> Receipt: ...

class PaymentsHandler(Protocol):
    def charge(self, request: ChargeRequest, /) -> Receipt | Awaitable[Receipt]: ...
    def receipt(self, trip_id: str, /) -> Receipt | Awaitable[Receipt]: ...

class PaymentsBlockingClient(Protocol):
    def charge(self, request: ChargeRequest) -> Receipt: ...
    def receipt(self, trip_id: str) -> Receipt: ...

class Payments(ServiceOf[PaymentsClient, PaymentsHandler, PaymentsBlockingClient]): ...
