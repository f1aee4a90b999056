"""Pricing's side of the wire: contract in, rule, contract out."""

from __future__ import annotations

from idl import pricing
from services.pricing.models import BadRoute, Place
from services.pricing.service import Pricing
from services.pricing.views import to_quote


class PricingController:
    """Serves `pricing.Pricing`."""

    def __init__(self, rules: Pricing) -> None:
        self._rules = rules

    async def quote(self, request: pricing.QuoteRequest) -> pricing.Quote:
        stops = [Place(stop.lat, stop.lon) for stop in request.stops or ()]
        try:
            return to_quote(await self._rules.quote(request.km, stops, request.hour))
        except BadRoute as error:
            raise pricing.BadRoute(message=str(error)) from error
