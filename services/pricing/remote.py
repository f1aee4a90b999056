"""Supply, asked from `drivers`."""

from __future__ import annotations

from idl import drivers, geo
from services.pricing.models import BadRoute, Place, Supply


class DriversSupply:
    """Fits `service.SupplySource`."""

    def __init__(self, client: drivers.DriversClient) -> None:
        self._client = client

    async def supply(self, place: Place, hour: int) -> Supply:
        request = drivers.SupplyRequest(place=geo.Point(lat=place.lat, lon=place.lon), hour=hour)
        try:
            supply = await self._client.supply(request)
        except drivers.OutOfArea as error:
            raise BadRoute(error.message) from error
        return Supply(supply.zone, supply.cars, supply.typical)
