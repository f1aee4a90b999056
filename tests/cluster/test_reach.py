"""Which cluster a command means: the nearest that runs; for logs and data the nearest that ever did."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.cluster import reach
from mesh.cluster.protocol import socket_path


def _ended(folder: Path, name: str) -> Path:
    run = folder / ".mesh" / name
    run.mkdir(parents=True)
    (run / "lock").touch()
    return run


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a cluster answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(_ended(tmp_path, "outer"))))
        listener.listen()
        yield tmp_path


def test_what_has_ended_hides_nothing_that_runs_above(outer: Path) -> None:
    _ended(outer / "in", "ended")
    assert reach.running(outer / "in").name == "outer"
    assert [one.name for one in reach.live(outer / "in")] == ["outer"]
    assert [one.name for one in reach.here(outer / "in")] == ["ended"]  # its logs, its data


def test_what_was_killed_is_told_before_what_runs_above(outer: Path) -> None:
    socket_path(_ended(outer / "in", "killed")).touch()
    with pytest.raises(reach.Unreachable, match="the supervisor of killed was killed"):
        reach.running(outer / "in")


def test_where_nothing_runs_the_nearest_that_ended_is_meant(tmp_path: Path) -> None:
    _ended(tmp_path, "far")
    _ended(tmp_path / "in", "near")
    assert [one.name for one in reach.live(tmp_path / "in")] == ["near"]
    with pytest.raises(reach.Unreachable, match="no cluster runs in"):
        reach.running(tmp_path / "in")
