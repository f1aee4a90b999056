"""Our charges as the contract's receipts."""

from __future__ import annotations

from idl import payments
from services.payments.models import Charge


def to_receipt(charge: Charge, *, fresh: bool) -> payments.Receipt:
    return payments.Receipt(
        charge_id=charge.charge_id, trip_id=charge.trip_id, amount_cents=charge.amount_cents, fresh=fresh
    )
