"""Bursts of saves, on a clock of the test's own."""

import asyncio
from pathlib import Path

import pytest

from mesh.dev.settle import Burst
from mesh.dev.tree import TooManyFiles
from mesh.dev.watch import edits

A, B, C = Path("/a.py"), Path("/b.py"), Path("/c.py")


def test_a_burst_is_over_once_it_is_quiet():
    burst = Burst(quiet_s=0.1, longest_s=1.0)
    assert burst.due_in(0.0) is None
    burst.add([A], 1.0)
    burst.add([], 1.04)
    burst.add([B], 1.05)
    assert burst.due_in(1.05) == pytest.approx(0.1)
    assert burst.due_in(1.2) == 0.0
    assert (burst.first, burst.take()) == (1.0, {A, B})
    assert burst.due_in(9.0) is None


def test_one_that_never_ends_is_cut():
    burst = Burst(quiet_s=0.1, longest_s=1.0)
    moment = 0.0
    while moment < 2.0 and burst.due_in(moment) != 0.0:
        burst.add([A], moment)
        moment += 0.05
    assert moment == pytest.approx(1.0, abs=0.06)
    burst.take()
    burst.add([B], 5.0)
    assert burst.first == 5.0


class Disk:
    """Files that change at set moments of a clock that only sleeping moves."""

    def __init__(self, *moments):
        self.now = 0.0
        self.moments = moments  # (when, files)

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.now += max(seconds, 0.001)
        await asyncio.sleep(0)
        if self.now > 60:
            raise EOFError

    def look(self):
        found = {}
        for when, files in self.moments:
            if when <= self.now:
                if isinstance(files, Exception):
                    raise files
                found = files
        return found


async def seen(disk, complaints=None):
    found = []
    with pytest.raises(EOFError):
        async for edit in edits(
            disk.look, disk.look(), complain=(complaints if complaints is not None else []).append,
            clock=disk.clock, sleep=disk.sleep,
        ):  # fmt: skip
            found.append((edit, disk.now))
    return found


async def test_saves_close_together_are_one_edit_and_others_are_not():
    one, two = {A: (1, 1, 1), B: (1, 1, 1)}, {A: (2, 1, 1), B: (1, 1, 1)}
    both, last = {A: (2, 1, 1), B: (2, 1, 1)}, {A: (2, 1, 1), B: (3, 1, 1)}
    found = await seen(Disk((0, one), (10, two), (10.09, both), (20, last)))
    assert [edit.paths for edit, _ in found] == [{A, B}, {B}]
    assert found[0][0].files == both
    assert found[0][1] < 10.6
    assert 10 <= found[0][0].seen < 10.2


async def test_what_came_and_went_never_was():
    """The file that vim writes to see whether it may, and one that is away for a moment while it is replaced."""
    there = {A: (1, 1, 1)}
    assert await seen(Disk((0, there), (5, {**there, B: (1, 1, 1)}), (5.12, there))) == []
    assert await seen(Disk((0, there), (5, {}), (5.12, there))) == []


async def test_too_much_to_watch_is_told_once_and_goes_by():
    complaints = []
    there = {A: (1, 1, 1)}
    disk = Disk((0, there), (5, TooManyFiles("too many")), (20, {A: (2, 1, 1)}))
    disk.moments = disk.moments[:1]
    states = iter([(0, there), (5, TooManyFiles("too many")), (20, {A: (2, 1, 1)})])
    disk = _Healing(states)
    found = await seen(disk, complaints)
    assert complaints == ["too many"]
    assert [edit.paths for edit, _ in found] == [{A}]


class _Healing(Disk):
    """Of the moments only the latest counts, so that a failure goes by."""

    def look(self):
        files = [what for when, what in self.moments if when <= self.now][-1]
        if isinstance(files, Exception):
            raise files
        return files

    def __init__(self, states):
        super().__init__(*states)
