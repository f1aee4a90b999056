from __future__ import annotations

from mesh.cli.table import columns


def test_columns_are_aligned_and_nothing_is_cut() -> None:
    assert columns(("name", "count"), [("a", 10), ("车", 2), (None, "")]).split("\n") == [
        "NAME  COUNT",
        "a        10",
        "车        2",
        "-         -",
    ]


def test_no_rows() -> None:
    assert columns(("a", "b"), []) == "A  B"
