"""What payments speak of. Amounts are whole cents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Charge:
    charge_id: str
    trip_id: str
    rider_id: str
    amount_cents: int


class ChargeConflict(Exception):
    """The trip was charged before, otherwise than asked now."""

    def __init__(self, standing: Charge) -> None:
        super().__init__(f"trip {standing.trip_id} was charged {standing.amount_cents} cents before; that stands")
        self.standing = standing


class NoCharge(Exception):
    def __init__(self, trip_id: str) -> None:
        super().__init__(f"trip {trip_id} was not charged")
