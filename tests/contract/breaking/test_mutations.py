"""What holds of any contract: against itself nothing is said, and every mutation is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.contract import load, load_texts
from mesh.contract.compare import Pairing, compare
from mesh.contract.model import Contract
from tests.contract.breaking.audit import audit
from tests.contract.breaking.mutations import MUTATIONS, Mutation, mutated
from tests.contract.breaking.verdicts import REASONS, differences
from tests.contract.breaking.versions import written

EXAMPLES = 4  # for each of the mutations, every time other ones


def _loaded(text: str) -> Contract:
    return load_texts({"a.thrift": text}, "a.thrift")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.__name__ for mutation in MUTATIONS])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_every_mutation_is_told(mutation: Mutation, seed: int) -> None:
    made = mutated(seed, mutation)
    if made is None:
        return
    old, new = _loaded(made[0]), _loaded(made[1])
    for pairing in Pairing:
        assert compare(old, old, pairing=pairing) == []
        assert compare(new, _loaded(made[1]), pairing=pairing) == []
        there = {change.code for change in compare(old, new, pairing=pairing)}
        assert there & set(made[2]), f"{made[2]} not among {there}"
        back = compare(new, old, pairing=pairing)
        assert back, "what is told one way is told the other way too"


@pytest.mark.integration
def test_the_verdicts_on_mutations_agree_with_audit(tmp_path: Path) -> None:
    known = {(row.kind, row.severity, row.ours, row.code) for row in REASONS}
    opinions = 0
    for number, mutation in enumerate(MUTATIONS * 6):
        made = mutated(number, mutation)
        if made is None:
            continue
        paths = [written(tmp_path / name, text, {}) for name, text in zip(("old", "new"), made[:2], strict=True)]
        old, new = map(load, paths)
        said = audit(paths[0], paths[1])
        opinions += len(said)
        for row in differences(said, compare(old, new), old, new):
            assert (row.kind, row.severity, row.ours, row.code) in known, f"{mutation.__name__} {number}: {row}"
    assert opinions > 40
