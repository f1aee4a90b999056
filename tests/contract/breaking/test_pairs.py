"""Every row of the table, and what must hold of all of them."""

from __future__ import annotations

import pytest

from mesh.contract.compare import CODES, Pairing, compare
from tests.contract.breaking.pairs import PAIRS, Pair
from tests.contract.breaking.versions import loaded, said

by_name = pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])


@by_name
def test_what_is_said_of_a_pair(pair: Pair) -> None:
    assert sorted(map(said, compare(*loaded(pair)))) == sorted(pair.said)


@by_name
def test_nothing_is_said_of_a_contract_and_itself(pair: Pair) -> None:
    again = loaded.__wrapped__(pair)
    for one, other in zip(loaded(pair), again, strict=True):
        for pairing in Pairing:
            assert compare(one, other, pairing=pairing) == []


@by_name
def test_a_digest_differs_exactly_when_something_is_said_that_callers_can_tell(pair: Pair) -> None:
    old, new = loaded(pair)
    # Constants and typedefs are for code; in which order parameters stand, names in throws, files and bases too.
    beside = ("constant-", "typedef-", "parameters-", "extends-", "struct-moved")
    told = [change for change in compare(old, new) if not change.code.startswith(beside)]
    told = [change for change in told if change.code != "throws-renamed"]
    assert bool(told) == (old.digest != new.digest)


def test_the_table_is_large_and_has_every_level() -> None:
    assert len(PAIRS) >= 60
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert {said.split()[0] for pair in PAIRS for said in pair.said} == {"wire", "source", "promise", "info"}
    assert {said.split()[1] for pair in PAIRS for said in pair.said} <= set(CODES)
