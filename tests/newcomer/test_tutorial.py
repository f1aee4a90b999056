"""docs/tutorial.md holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.newcomer.__main__ import TUTORIAL, newcomer


@pytest.mark.integration
@pytest.mark.timeout(600)  # a minute on an idle machine, a third of it pip's; here others run beside it
def test_the_tutorial_holds(tmp_path: Path) -> None:
    assert newcomer(TUTORIAL, tmp_path) == 0
