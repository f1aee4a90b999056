# Made by `mesh idl build` out of trips.thrift. Do not edit.

from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Final, Protocol
from . import geo as geo

class TripState:
    REQUESTED: Final = 1
    UNMATCHED: Final = 2
    MATCHED: Final = 3
    STARTED: Final = 4
    FINISHED: Final = 5
    CHARGED: Final = 6
    EXPIRED: Final = 7
    _VALUES_TO_NAMES: Final[dict[int, str]]
    _NAMES_TO_VALUES: Final[dict[str, int]]

class TripRequest:
    trip_id: str
    rider_id: str
    pickup: geo.Point
    dropoff: geo.Point
    hour: int
    fare_cents: int
    def __init__(self, *, trip_id: str, rider_id: str, pickup: geo.Point, dropoff: geo.Point, hour: int, fare_cents: int) -> None: ...

class Trip:
    trip_id: str
    state: int
    fare_cents: int
    driver_id: str | None
    charge_id: str | None
    def __init__(self, *, trip_id: str, state: int, fare_cents: int, driver_id: str | None = None, charge_id: str | None = None) -> None: ...

class UnknownTrip(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class WrongState(Exception):
    message: str
    state: int
    def __init__(self, *, message: str, state: int) -> None: ...

class TripConflict(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class FareChanged(Exception):
    message: str
    fare_cents: int
    def __init__(self, *, message: str, fare_cents: int) -> None: ...

class NoDriver(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class BadRoute(Exception):
    message: str
    def __init__(self, *, message: str) -> None: ...

class TripsClient(Protocol):
    async def request(self, request: TripRequest) -> Trip: ...
    async def start(self, trip_id: str) -> Trip: ...
    async def finish(self, trip_id: str) -> Trip: ...
    async def get(self, trip_id: str) -> Trip: ...

class TripsHandler(Protocol):
    def request(self, request: TripRequest, /) -> Trip | Awaitable[Trip]: ...
    def start(self, trip_id: str, /) -> Trip | Awaitable[Trip]: ...
    def finish(self, trip_id: str, /) -> Trip | Awaitable[Trip]: ...
    def get(self, trip_id: str, /) -> Trip | Awaitable[Trip]: ...

class TripsBlockingClient(Protocol):
    def request(self, request: TripRequest) -> Trip: ...
    def start(self, trip_id: str) -> Trip: ...
    def finish(self, trip_id: str) -> Trip: ...
    def get(self, trip_id: str) -> Trip: ...

class Trips(ServiceOf[TripsClient, TripsHandler, TripsBlockingClient]): ...
