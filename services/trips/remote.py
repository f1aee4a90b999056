"""Fares, drivers and money, each asked from the service that owns it."""

from __future__ import annotations

from idl import dispatch, drivers, geo, payments, pricing
from mesh.errors import MeshError
from services.trips.models import BadRoute, ChargeConflict, NoDriver, NotNow, Order, Place, TripOver


class PricingFares:
    """Fits `service.needs.Fares`."""

    def __init__(self, client: pricing.PricingClient) -> None:
        self._client = client

    async def fare_cents(self, order: Order) -> int:
        stops = [_point(order.pickup), _point(order.dropoff)]
        try:
            quote = await self._client.quote(pricing.QuoteRequest(stops=stops, hour=order.hour))
        except pricing.BadRoute as error:
            raise BadRoute(error.message) from error
        return quote.fare_cents


class RemoteDispatch:
    """Fits `service.needs.Dispatch`."""

    def __init__(self, client: dispatch.DispatchClient) -> None:
        self._client = client

    async def match(self, order: Order) -> str:
        request = dispatch.MatchRequest(trip_id=order.trip_id, pickup=_point(order.pickup), hour=order.hour)
        try:
            match = await self._client.match(request)
        except dispatch.NoDriver as error:
            raise NoDriver(error.message) from error
        except drivers.TripOver as error:
            raise TripOver(error.message) from error
        return match.driver_id

    async def release(self, trip_id: str, place: Place) -> None:
        try:
            await self._client.release(trip_id, _point(place))
        except MeshError as error:
            raise NotNow(str(error)) from error


class RemotePayments:
    """Fits `service.needs.Payments`."""

    def __init__(self, client: payments.PaymentsClient) -> None:
        self._client = client

    async def charge(self, order: Order) -> str:
        request = payments.ChargeRequest(trip_id=order.trip_id, rider_id=order.rider_id, amount_cents=order.fare_cents)
        try:
            receipt = await self._client.charge(request)
        except payments.ChargeConflict as error:
            raise ChargeConflict(error.message) from error
        except MeshError as error:
            raise NotNow(str(error)) from error
        return receipt.charge_id


def _point(place: Place) -> geo.Point:
    return geo.Point(lat=place.lat, lon=place.lon)
