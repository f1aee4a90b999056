"""The run directory's lock: one cluster at a time, and nothing stale in the way."""

import asyncio
import fcntl
import json
import os

import pytest

from mesh.cluster.rundir import ClusterError, RunDirectory

pytestmark = pytest.mark.integration


async def test_a_second_one_is_refused_and_told_what_to_do(tmp_path):
    async with RunDirectory(tmp_path, "city"):
        with pytest.raises(ClusterError) as caught:
            async with RunDirectory(tmp_path, "city"):
                pass
        for part in ("'city'", str(tmp_path), f"pid {os.getpid()}", "--name city-2"):
            assert part in str(caught.value)
        async with RunDirectory(tmp_path, "city-2"):
            pass


async def test_who_only_looks_keeps_nobody_from_starting(tmp_path):
    (tmp_path / ".mesh" / "city").mkdir(parents=True)
    looking = os.open(tmp_path / ".mesh" / "city" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)  # as mesh ps does, in the moment in which the first cluster begins
    asyncio.get_running_loop().call_later(0.05, os.close, looking)
    async with RunDirectory(tmp_path, "city") as run:
        assert run.owned


async def test_it_can_be_taken_again_and_begins_clean(tmp_path):
    async with RunDirectory(tmp_path, "city") as first:
        first.write_state({"pid": 1})
        assert json.loads(first.state_file.read_text()) == {"pid": 1}
    assert not first.state_file.exists()
    first.state_file.write_text("left by a killed one")
    (first.path / "lock").write_text("999999\n")  # no such process, and not locked
    async with RunDirectory(tmp_path, "city") as second:
        assert not second.state_file.exists()
        assert (second.path / "lock").read_text() == f"{os.getpid()}\n"


async def test_the_lock_waits_for_the_keeper_of_a_dead_supervisor(tmp_path):
    async with RunDirectory(tmp_path, "city") as first:
        keeper_has = os.dup(first.lock_fd)  # as the keeper inherits it
        (first.path / "lock").write_text("999999\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mesh.cluster.rundir.TAKEOVER_S", 0.1)
            with pytest.raises(ClusterError):
                async with RunDirectory(tmp_path, "city"):
                    pass
    with pytest.raises(ClusterError):
        (first.path / "lock").write_text(f"{os.getpid()}\n")
        async with RunDirectory(tmp_path, "city"):
            pass
    os.close(keeper_has)
    async with RunDirectory(tmp_path, "city"):
        pass
