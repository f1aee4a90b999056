"""Dispatch's side of the wire."""

from __future__ import annotations

from idl import dispatch, drivers, geo
from services.dispatch import service
from services.dispatch.models import NoDriver, Place, TripOver
from services.dispatch.views import to_match


class DispatchController:
    """Serves `dispatch.Dispatch`."""

    def __init__(self, fleet: service.Fleet) -> None:
        self._fleet = fleet

    async def match(self, request: dispatch.MatchRequest) -> dispatch.Match:
        pickup = Place(request.pickup.lat, request.pickup.lon)
        try:
            return to_match(await service.match(self._fleet, request.trip_id, pickup, request.hour))
        except NoDriver as error:
            raise dispatch.NoDriver(message=str(error)) from error
        except TripOver as error:
            raise drivers.TripOver(message=str(error)) from error

    async def release(self, trip_id: str, place: geo.Point) -> None:
        await self._fleet.release(trip_id, Place(place.lat, place.lon))
