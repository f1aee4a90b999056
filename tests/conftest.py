"""What every test stands on: Hypothesis' profile, and the record of what a soak did.

One rule: nothing here belongs to one part of the toolkit; its fixtures stand beside its tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Never derandomized, not even in CI: new cases each run. A failure prints the blob that repeats it, and the machines
# are shared, so that slowness says nothing about the code.
settings.register_profile(
    "thriftmesh",
    print_blob=True,
    derandomize=False,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("thriftmesh")

SOAK_LOG = "THRIFTMESH_SOAK_LOG"  # a file that `make soak` names and reads


@pytest.fixture
def soak_record(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Adds figures to the line that this soak leaves in build/soak.json: `soak_record(cases=n, rejected=k)`.

    `seconds` and `ok` are there without being asked for.
    """

    def record(**figures: float | str) -> None:
        for name, figure in figures.items():
            record_property(name, figure)

    return record


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One JSON line per soak that ran. Under xdist only the controller writes; a worker would write it twice."""
    log = os.environ.get(SOAK_LOG)
    if log is None or "PYTEST_XDIST_WORKER" in os.environ or "soak" not in report.keywords or report.when != "call":
        return
    line = {
        "name": report.nodeid.removeprefix("tests/").replace(".py::", "."),
        **dict(report.user_properties),
        "seconds": round(report.duration, 2),
        "ok": report.passed,
    }
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
