from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from fakes import MemoryCharges

from mesh.store import Store
from services.payments import service
from services.payments.models import Charge, ChargeConflict, NoCharge
from services.payments.store import SqlCharges

MIGRATIONS = Path(service.__file__).parent / "migrations"


@pytest.fixture(params=["memory", "sql"])
async def charges(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        yield MemoryCharges()
        return
    async with Store.open(tmp_path / "p.db", owner="payments", migrations=MIGRATIONS) as store, store.tx() as tx:
        yield SqlCharges(tx)


async def test_the_first_charge_counts_and_repeats_answer_it(charges: service.Charges) -> None:
    ids = itertools.count()
    made = [await service.charge(charges, "t1", "r1", 1250, lambda: f"c{next(ids)}") for _ in range(3)]
    charge = Charge("c0", "t1", "r1", 1250)
    assert made == [(charge, True), (charge, False), (charge, False)]
    assert await service.receipt(charges, "t1") == charge


@pytest.mark.parametrize(("rider", "cents"), [("r1", 1251), ("r2", 1250)])
async def test_another_charge_for_the_same_trip_is_refused(charges: service.Charges, rider: str, cents: int) -> None:
    await service.charge(charges, "t1", "r1", 1250, lambda: "c1")
    with pytest.raises(ChargeConflict, match="1250 cents before"):
        await service.charge(charges, "t1", rider, cents, lambda: "c2")
    assert (await service.receipt(charges, "t1")).amount_cents == 1250


async def test_no_charge(charges: service.Charges) -> None:
    with pytest.raises(NoCharge):
        await service.receipt(charges, "t1")


async def test_many_at_once_charge_once(tmp_path: Path) -> None:
    ids = itertools.count()
    async with Store.open(tmp_path / "p.db", owner="payments", migrations=MIGRATIONS) as store:

        async def one() -> tuple[Charge, bool]:
            async with store.tx() as tx:
                return await service.charge(SqlCharges(tx), "t1", "r1", 1250, lambda: f"c{next(ids)}")

        made = await asyncio.gather(*(one() for _ in range(40)))
        async with store.read() as reader:
            assert await reader.fetch_value("SELECT count(*) FROM charges") == 1
    assert {charge.charge_id for charge, _ in made} == {"c0"}
    assert [fresh for _, fresh in made].count(True) == 1
