"""The charges in the service's own database."""

from __future__ import annotations

from mesh.store import Reader, Tx
from services.payments.models import Charge


class ReadCharges:
    """Reads `charges`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, trip_id: str) -> Charge | None:
        row = await self._reader.fetch_one(
            "SELECT charge_id, trip_id, rider_id, amount_cents FROM charges WHERE trip_id = ?", (trip_id,)
        )
        return Charge(**row) if row else None


class SqlCharges(ReadCharges):
    """Fits `service.Charges`."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx)
        self._tx = tx

    async def add(self, charge: Charge) -> None:
        await self._tx.execute(
            "INSERT INTO charges (charge_id, trip_id, rider_id, amount_cents) VALUES (?, ?, ?, ?)",
            (charge.charge_id, charge.trip_id, charge.rider_id, charge.amount_cents),
        )
