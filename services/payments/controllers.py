"""Payments' side of the wire: a transaction around each rule."""

from __future__ import annotations

from collections.abc import Callable

from idl import payments
from mesh.store import Database
from services.payments import service
from services.payments.models import ChargeConflict, NoCharge
from services.payments.store import ReadCharges, SqlCharges
from services.payments.views import to_receipt


class PaymentsController:
    """Serves `payments.Payments`."""

    def __init__(self, database: Database, new_id: Callable[[], str]) -> None:
        self._database = database
        self._new_id = new_id

    async def charge(self, request: payments.ChargeRequest) -> payments.Receipt:
        try:
            async with self._database.tx() as tx:
                charge, fresh = await service.charge(
                    SqlCharges(tx), request.trip_id, request.rider_id, request.amount_cents, self._new_id
                )
        except ChargeConflict as error:
            raise payments.ChargeConflict(message=str(error), charged_cents=error.standing.amount_cents) from error
        return to_receipt(charge, fresh=fresh)

    async def receipt(self, trip_id: str) -> payments.Receipt:
        try:
            async with self._database.read() as reader:
                charge = await service.receipt(ReadCharges(reader), trip_id)
        except NoCharge as error:
            raise payments.NoCharge(message=str(error)) from error
        return to_receipt(charge, fresh=False)
