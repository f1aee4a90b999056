# Made by `mesh idl build` out of dispatch.thrift. Do not edit.

from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Protocol
from . import drivers as drivers
from . import geo as geo

class MatchRequest:
    trip_id: str
    pickup: geo.Point
    hour: int
    def __init__(self, *, trip_id: str, pickup: geo.Point, hour: int) -> None: ...

class Match:
    trip_id: str
    driver_id: str
    zone: str
    km: float
    def __init__(self, *, trip_id: str, driver_id: str, zone: str, km: float) -> None: ...

class NoDriver(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class DispatchClient(Protocol):
    async def match(self, request: MatchRequest) -> Match: ...
    async def release(self, trip_id: str, place: geo.Point) -> None: ...

class DispatchHandler(Protocol):
    def match(self, request: MatchRequest, /) -> Match | Awaitable[Match]: ...
    def release(self, trip_id: str, place: geo.Point, /) -> None | Awaitable[None]: ...

class DispatchBlockingClient(Protocol):
    def match(self, request: MatchRequest) -> Match: ...
    def release(self, trip_id: str, place: geo.Point) -> None: ...

class Dispatch(ServiceOf[DispatchClient, DispatchHandler, DispatchBlockingClient]): ...
