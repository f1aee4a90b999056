"""The table's rows through Apache Thrift's `--audit`: the same verdict wherever it has one, or a reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract import load
from mesh.contract.compare import compare
from tests.contract.breaking.audit import audit
from tests.contract.breaking.pairs import PAIRS
from tests.contract.breaking.verdicts import REASONS, Difference, differences
from tests.contract.breaking.versions import files

DOCS = Path(__file__).parents[3] / "docs" / "contracts.md"
_KNOWN = {(row.kind, row.severity, row.ours, row.code) for row in REASONS}


def _key(row: Difference) -> tuple[str, str, str, str]:
    return row.kind, row.severity, row.ours, row.code


@pytest.mark.integration
def test_the_verdicts_agree_but_for_what_is_explained(tmp_path: Path) -> None:
    found: dict[tuple[str, str, str, str], list[str]] = {}
    agreed = opinions = 0
    for number, pair in enumerate(PAIRS):
        (tmp_path / str(number)).mkdir()
        paths = files(tmp_path / str(number), pair)
        old, new = map(load, paths)
        said = audit(*paths)
        differ = differences(said, compare(old, new), old, new)
        for row in differ:
            found.setdefault(_key(row), []).append(pair.name)
        opinions += len(said)
        agreed += len(said) - len(differ)
    assert {key: names for key, names in found.items() if key not in _KNOWN} == {}, "unexplained"
    assert _KNOWN - found.keys() == set(), "explained, but there is no such difference any more"
    assert opinions > 50
    assert agreed > opinions / 2


def test_the_documentation_has_every_difference() -> None:
    text = DOCS.read_text("utf-8")
    for row in REASONS:
        line = (
            f"| {row.kind} | {row.severity.lower()} | {row.ours}{f' `{row.code}`' if row.code else ''} | {row.reason} |"
        )
        assert line in text, f"docs/contracts.md lacks:\n{line}"
