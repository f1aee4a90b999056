"""One process takes over from another: when it is good, and when it is not."""

import asyncio
from dataclasses import replace

import psutil
import pytest

from mesh.cluster import ReplaceError, ServiceConfig, State
from mesh.discovery import open_registry
from tests.cluster.test_cluster import alive, ask, eventually

pytestmark = pytest.mark.integration


def with_env(cluster, service, **env):
    """The cluster's plan, but for one service's environment."""
    services = dict(cluster.config.services)
    services[service] = replace(services[service], env={**services[service].env, **env})
    return replace(cluster.config, services=services)


async def test_the_new_process_is_ready_before_the_old_one_is_told(start):
    cluster = await start(alpha={"instances": 2})
    await cluster.ready(20)
    old = cluster.instance("alpha-1")
    pid, admin, listen = old.pid, old.admin, old.listen
    seen = []
    cluster.subscribe(lambda change: seen.append((change.id, change.state, change.pid == pid)))
    done = await cluster.replace_instance("alpha-1")
    new = cluster.instance("alpha-1")
    assert (done.id, done.old_pid, done.pid) == ("alpha-1", pid, new.pid)
    assert [(state, was_old) for _, state, was_old in seen] == [
        (State.STARTING, False),
        (State.READY, False),
        (State.STOPPING, True),
        (State.STOPPED, False),  # pid 0 by then
    ]
    assert not alive(pid)
    assert alive(new.pid)
    assert not {new.admin, new.listen} & {admin, listen}
    assert ask(new.listen) == ["alpha-1.2", str(new.pid)]
    assert [one.id for one in cluster.instances] == ["alpha-1", "alpha-2"]
    assert (new.restarts, cluster.instance("alpha-2").restarts) == (1, 0)
    assert cluster.state()["services"]["alpha"][0]["pid"] == new.pid
    log = (cluster.logs / "alpha-1.log").read_text()
    assert "alpha-1 serves on" in log
    assert "alpha-1.2 serves on" in log


async def test_one_that_crashes_is_removed_and_the_old_one_goes_on(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    old = cluster.instance("alpha-1")
    pid = old.pid
    changes = []
    cluster.subscribe(changes.append)
    with pytest.raises(ReplaceError) as caught:
        await cluster.replace_instance("alpha-1", config=with_env(cluster, "alpha", FAKE_CRASH="always"))
    assert caught.value.id == "alpha-1"
    assert caught.value.reason == "the new process ended before it was ready: exit code 3"
    assert caught.value.tail == ("fake: about to crash",)
    assert "| fake: about to crash" in str(caught.value)
    assert caught.value.log.read_text().endswith("fake: about to crash\n")
    assert cluster.instance("alpha-1") is old
    assert (old.pid, old.state) == (pid, State.READY)
    assert [change.state for change in changes] == [State.STARTING, State.FAILED]
    await cluster.ready(1)  # the failed one is no part of the cluster
    await cluster.kill("alpha-1")  # and a crash brings back what ran, not what was tried
    await cluster.until(lambda: old.state is State.READY, 10)


async def test_one_that_never_gets_ready_is_removed_at_the_limit(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    old = cluster.instance("alpha-1")
    tried = []
    cluster.subscribe(lambda change: tried.append(change.pid))
    with pytest.raises(ReplaceError, match=r"not ready after 0.5 s: .*(no answer|answers 503)"):
        await cluster.replace_instance(
            "alpha-1", config=with_env(cluster, "alpha", FAKE_READY_AFTER_S="60"), timeout_s=0.5
        )
    assert cluster.instance("alpha-1") is old
    assert old.state is State.READY
    assert not any(map(alive, {pid for pid in tried if pid} - {old.pid}))


async def test_one_that_callers_cannot_find_does_not_take_over(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    old = cluster.instance("alpha-1")
    missing = (
        '{"registered:alpha": {"ok": false, "detail": "no route to Consul"}, "other": {"ok": false, "detail": ""}}'
    )
    with pytest.raises(ReplaceError, match=r"not ready after 3 s: registered:alpha: no route to Consul"):
        await cluster.replace_instance("alpha-1", config=with_env(cluster, "alpha", FAKE_CHECKS=missing), timeout_s=3)
    assert cluster.instance("alpha-1") is old
    found = '{"registered:alpha": {"ok": true, "detail": ""}, "other": {"ok": false, "detail": "as before"}}'
    await cluster.replace_instance("alpha-1", config=with_env(cluster, "alpha", FAKE_CHECKS=found))
    assert cluster.instance("alpha-1") is not old


async def test_one_that_is_given_up_is_replaced_by_one_that_works(start):
    cluster = await start(bad={"env": {"FAKE_CRASH": "always"}})
    await cluster.until(lambda: cluster.instance("bad-1").state is State.FAILED, 20)
    done = await cluster.replace_instance("bad-1", config=with_env(cluster, "bad", FAKE_CRASH=""))
    assert done.old_pid == 0
    assert cluster.instance("bad-1").state is State.READY
    await cluster.ready(1)


async def test_a_caller_who_gives_up_leaves_everything_as_it_was(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    old = cluster.instance("alpha-1")
    slow = with_env(cluster, "alpha", FAKE_READY_AFTER_S="60")
    started = asyncio.Event()
    pids = []
    cluster.subscribe(lambda change: (pids.append(change.pid), started.set()))
    replacing = asyncio.create_task(cluster.replace_instance("alpha-1", config=slow))
    await started.wait()
    with pytest.raises(ReplaceError, match="is being replaced already"):
        await cluster.replace_instance("alpha-1")
    replacing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await replacing
    assert not alive(pids[0])
    assert cluster.instance("alpha-1") is old
    assert old.state is State.READY


async def test_the_end_of_the_cluster_ends_the_one_on_trial_too(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    pids = []
    cluster.subscribe(lambda change: pids.append(change.pid))
    slow = with_env(cluster, "alpha", FAKE_READY_AFTER_S="60")
    replacing = asyncio.create_task(cluster.replace_instance("alpha-1", config=slow))
    await cluster.until(lambda: bool(pids), 10)
    await cluster._stop()
    with pytest.raises(ReplaceError, match="the cluster stops"):
        await replacing
    assert not any(map(alive, filter(None, pids)))


async def test_the_old_one_is_told_once_and_has_its_time_to_drain(start, tmp_path):
    """A second SIGTERM would end a node at once, in the middle of its calls."""
    counting = "trap 'echo told >>told' TERM; echo up; while [ ! -e enough ]; do sleep 0.02; done"
    cluster = await start(alpha={"command": ["sh", "-c", counting], "drain_s": 20, "ready": "tcp", "instances": 0})
    id = cluster._add_service_instance("alpha").id
    cluster.instance(id).start()
    one = cluster.instance(id)
    await eventually(lambda: one.tail() == ["up"])
    stops = [asyncio.create_task(one.stop())]
    await eventually(lambda: (tmp_path / "told").exists())
    stops += [asyncio.create_task(one.stop()) for _ in range(2)]
    stops[0].cancel()
    await asyncio.sleep(0.2)  # ten rounds of the shell's loop: a second signal would be told by now
    (tmp_path / "enough").touch()
    await asyncio.gather(*stops, return_exceptions=True)
    assert (tmp_path / "told").read_text() == "told\n"


async def test_a_foreign_one_is_entered_before_the_old_one_leaves(start):
    cluster = await start(legacy={"ready": "tcp", "register": True})
    await cluster.ready(20)
    async with open_registry(cluster.registry) as registry:
        watch = registry.watch("legacy")
        counts = []
        watch.subscribe(lambda instances: counts.append(len(instances)))
        await eventually(lambda: counts[-1] == 1)
        del counts[:]
        await cluster.replace_instance("legacy-1")
        new = cluster.instance("legacy-1")
        await eventually(lambda: [entry.address for entry in watch.instances] == [new.listen])
        assert 0 not in counts
        watch.close()


async def test_a_replacement_has_the_new_environment_and_keeps_it(start):
    cluster = await start(alpha={})
    await cluster.ready(20)
    await cluster.replace_instance("alpha-1", config=with_env(cluster, "alpha", COLOUR="red"))
    one = cluster.instance("alpha-1")
    assert psutil.Process(one.pid).environ()["COLOUR"] == "red"
    await cluster.replace_instance("alpha-1")
    one = cluster.instance("alpha-1")
    assert psutil.Process(one.pid).environ()["COLOUR"] == "red"
    assert psutil.Process(one.pid).environ()["MESH_INSTANCE"] == "alpha-1.3"
    assert isinstance(cluster.config.services["alpha"], ServiceConfig)
    with pytest.raises(LookupError, match="alpha-1"):
        await cluster.replace_instance("alpha-7")
