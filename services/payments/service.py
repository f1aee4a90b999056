"""The rule of a charge: the trip's id is its key. The first one counts, a repeat is answered by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from services.payments.models import Charge, ChargeConflict, NoCharge


class StandingCharges(Protocol):
    """The charges, as of one moment."""

    async def get(self, trip_id: str) -> Charge | None: ...


class Charges(StandingCharges, Protocol):
    """The charges, within one transaction."""

    async def add(self, charge: Charge) -> None: ...


async def charge(
    charges: Charges, trip_id: str, rider_id: str, amount_cents: int, new_id: Callable[[], str]
) -> tuple[Charge, bool]:
    """The trip's charge, and whether it was made now. Raises ChargeConflict."""
    standing = await charges.get(trip_id)
    if standing is None:
        made = Charge(new_id(), trip_id, rider_id, amount_cents)
        await charges.add(made)
        return made, True
    if (standing.rider_id, standing.amount_cents) != (rider_id, amount_cents):
        raise ChargeConflict(standing)
    return standing, False


async def receipt(charges: StandingCharges, trip_id: str) -> Charge:
    """The trip's charge. Raises NoCharge."""
    standing = await charges.get(trip_id)
    if standing is None:
        raise NoCharge(trip_id)
    return standing
