"""Our quotes as the contract's."""

from __future__ import annotations

from idl import pricing
from services.pricing.models import Quote


def to_quote(quote: Quote) -> pricing.Quote:
    return pricing.Quote(
        fare_cents=quote.fare_cents,
        currency=pricing.Currency.CAD,
        km=quote.metres / 1000,
        surge=quote.surge_tenths / 10,
        zone=quote.zone,
        hour=quote.hour,
    )
