# Made by `mesh idl build` out of drivers.thrift. Do not edit.

from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Protocol, TypeAlias
from . import geo as geo

class SupplyRequest:
    place: geo.Point
    hour: int
    def __init__(self, *, place: geo.Point, hour: int) -> None: ...

class Supply:
    zone: str
    cars: float
    typical: float
    def __init__(self, *, zone: str, cars: float, typical: float) -> None: ...

class NearestRequest:
    place: geo.Point
    hour: int
    limit: int
    within_km: float
    def __init__(self, *, place: geo.Point, hour: int, limit: int = ..., within_km: float = ...) -> None: ...

class Driver:
    driver_id: str
    zone: str
    place: geo.Point
    km: float | None
    def __init__(self, *, driver_id: str, zone: str, place: geo.Point, km: float | None = None) -> None: ...

class Reservation:
    trip_id: str
    driver: Driver
    def __init__(self, *, trip_id: str, driver: Driver) -> None: ...

class DriverTaken(Exception):
    message: str
    driver_id: str
    def __init__(self, *, message: str, driver_id: str) -> None: ...

class OutOfArea(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class UnknownDriver(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class TripOver(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class DriversClient(Protocol):
    async def supply(self, request: SupplyRequest) -> Supply: ...
    async def nearest(self, request: NearestRequest) -> list[Driver]: ...
    async def reserve(self, trip_id: str, driver_id: str) -> Reservation: ...
    async def reservation(self, trip_id: str) -> list[Reservation]: ...
    async def release(self, trip_id: str, place: geo.Point) -> None: ...

class DriversHandler(Protocol):
    def supply(self, request: SupplyRequest, /) -> Supply | Awaitable[Supply]: ...
    def nearest(self, request: NearestRequest, /) -> list[Driver] | Awaitable[list[Driver]]: ...
    def reserve(self, trip_id: str, driver_id: str, /) -> Reservation | Awaitable[Reservation]: ...
    def reservation(self, trip_id: str, /) -> list[Reservation] | Awaitable[list[Reservation]]: ...
    def release(self, trip_id: str, place: geo.Point, /) -> None | Awaitable[None]: ...

class Drivers(ServiceOf[DriversClient, DriversHandler]): ...

TripId: TypeAlias = str
DriverId: TypeAlias = str
