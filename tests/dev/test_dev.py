"""`mesh dev` against real processes, with a caller that calls throughout and must notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import PIPE

import pytest

from mesh.contract import load
from mesh.errors import MeshError
from mesh.node import Node
from tests.dev.conftest import HANDLER, PLAN

pytestmark = pytest.mark.integration

# From the save to the first answer of the new text; the best of three edits counts. Most of it is a start of Python,
# half a second of a processor's work: where several programs want each processor, it takes as many times as long. On a
# machine that is slow for good, THRIFTMESH_SLOW=2 allows twice the time.
LIVE_S = 2.0 * float(os.environ.get("THRIFTMESH_SLOW", "1"))
TRIES = 3


def allowed_s():
    return LIVE_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Caller:
    """Calls `ping` all the time, in a process that is no part of the cluster."""

    def __init__(self, node, contract, service):
        self.node = node
        self.client = node.client(contract.module.__dict__[service.capitalize()], service=service)
        self.failures = []
        self.calls = 0

    async def run(self):
        while True:
            try:
                await self.client.ping()
            except MeshError as error:
                self.failures.append(str(error))
            self.calls += 1
            await asyncio.sleep(0.01)

    async def until(self, answer, *args):
        """Seconds until `quote` answers so."""
        begun = time.monotonic()
        while (said := await self.client.quote(*args)) != answer:
            assert time.monotonic() - begun < 30, said
            await asyncio.sleep(0.005)
        return time.monotonic() - begun


@contextlib.asynccontextmanager
async def calling(project, registry, service="quotes", **settings):
    contract = load(project.folder / f"idl/{service}.thrift")
    async with Node("caller", registry=registry, admin="off", env={}, **settings) as node:
        await node.start()
        caller = Caller(node, contract, service)
        task = asyncio.create_task(caller.run())
        try:
            yield caller
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_an_edited_handler_is_live_within_two_seconds(project, dev, record_property):
    running = await dev("quotes")  # with Consul, where one can be had
    ready = await running.event("ready")
    assert ready["name"] == "shop-quotes"
    assert list(ready["services"]) == ["quotes"]
    assert len(ready["services"]["quotes"]) == 1  # though the plan has two
    took = []
    async with calling(project, ready["registry"]) as caller:
        for number in range(TRIES):
            before = "PREFIX + what" if not number else f'"edit {number - 1} " + what'
            project.replace("services/quotes/handler.py", before, f'"edit {number} " + what')
            took.append(await caller.until(f"edit {number} x", "x"))
            told = await running.event("reloaded")
            print(f"live after {took[-1]:.2f} s of {allowed_s():.1f} s, by its own count {told['ms']} ms")
            assert await caller.client.quote("x") == f"edit {number} x"  # told once it holds for every call
            if took[-1] < LIVE_S:  # as promised for a machine that is not short of processors
                break
        # Edits that come while a new process is starting: what counts in the end is the last.
        for number in range(4):
            project.write("services/quotes/handler.py", HANDLER.replace("PREFIX +", f'"again {number} " +'))
            await running.event("reloading")
            await asyncio.sleep(0.1 * number)
        await caller.until("again 3 x", "x")
        await running.event("reloaded")
    record_property("live_s", round(min(took), 2))
    assert min(took) < allowed_s()
    assert caller.failures == []
    assert caller.calls > 50
    assert running.told("failed") == []


async def test_what_is_broken_is_told_and_the_process_from_before_serves(project, dev, record_property):
    running = await dev("--no-consul", "quotes")
    ready = await running.event("ready")
    pid = ready["services"]["quotes"][0]["pid"]
    assert "def quote" in (project.folder / "idl/quotes.pyi").read_text()  # a missing one is made at the start
    async with calling(project, ready["registry"]) as caller:
        for text, line, reason in (
            ("class Quotes:\n    def quote(self:\n", 2, "SyntaxError"),  # told at once, nothing is started
            ("import nothing_like_it\n", 1, "No module named 'nothing_like_it'"),  # the new process tells
            ("class Quotes:\n    def __init__(self):\n        raise OSError(28, 'full')\n", 3, "full"),
        ):
            project.write("services/quotes/handler.py", text)
            failed = await running.event("failed")
            assert (failed["file"], failed["line"]) == ("services/quotes/handler.py", line)
            assert reason in failed["reason"]
            assert failed["serving"] is True
        contract, stub = (project.folder / "idl" / name for name in ("quotes.thrift", "quotes.pyi"))
        text, typed = contract.read_text(), stub.read_text()
        project.write("idl/quotes.thrift", text.replace("1: string", "1: strng"))
        failed = await running.event("failed")
        assert (failed["file"], failed["line"]) == ("idl/quotes.thrift", 2)
        assert stub.read_text() == typed
        # All is mended, contract first, with a parameter that is new.
        project.write("idl/quotes.thrift", text.replace("1: string what", "1: string what, 2: i32 count"))
        assert (await running.event("stubs"))["files"] == ["idl/quotes.pyi"]
        assert "count" in stub.read_text()
        assert "full" in (await running.event("failed"))["reason"]  # the handler is still the one that cannot start
        assert await caller.client.quote("x") == "one x"  # the first process, as ever
        assert pid in running_pids(project, ready)
        handler = HANDLER.replace("(self, what)", "(self, what, count)").replace("PREFIX + what", "f'{what} {count}'")
        project.write("services/quotes/handler.py", handler)
        told = await running.event("reloaded")
        assert told["files"] == ["idl/quotes.thrift", "services/quotes/handler.py"]
        record_property("contract_live_ms", told["ms"])
        newer = caller.node.client(load(contract).module.Quotes, service="quotes")
        assert await newer.quote("x", 3) == "x 3"
    assert caller.failures == []
    os.kill(told["pid"], 9)  # one that dies by itself comes back, with the newest text
    change = await running.event("change", state="back-off")
    change = await running.event("change", state="ready")
    assert change["pid"] not in (pid, told["pid"])


async def test_a_method_is_renamed_in_two_files_saved_one_after_the_other(project, dev):
    running = await dev("--no-consul", "quotes")
    ready = await running.event("ready")
    async with calling(project, ready["registry"]) as caller:
        # Contract first and handler second; then the other way round.
        for old, new, files in (
            ("quote", "offer", ("idl/quotes.thrift", "services/quotes/handler.py")),
            ("offer", "price", ("services/quotes/handler.py", "idl/quotes.thrift")),
        ):
            before = caller.node.client(load(project.folder / "idl/quotes.thrift").module.Quotes, service="quotes")
            project.replace(files[0], f" {old}(", f" {new}(")
            failed = await running.event("failed")
            missing = new if files[0].endswith(".thrift") else old
            assert f"Quotes cannot serve Quotes: it has no method '{missing}'" in failed["reason"]
            assert failed["serving"] is True
            assert await getattr(before, old)("x") == "one x"
            project.replace(files[1], f" {old}(", f" {new}(")
            assert (await running.event("reloaded"))["files"] == sorted(files)
            after = caller.node.client(load(project.folder / "idl/quotes.thrift").module.Quotes, service="quotes")
            assert await getattr(after, new)("x") == "one x"
    assert caller.failures == []


async def test_only_services_that_need_a_file_are_restarted(project, dev):
    running = await dev("--no-consul")
    ready = await running.event("ready")
    assert ready["name"] == "shop"
    first = running_pids(project, ready)
    async with calling(project, ready["registry"], "news") as news, calling(project, ready["registry"]) as quotes:
        project.write("services/quotes/notes.py", "x = 1\n")
        assert (await running.event("changed"))["services"] == []
        project.replace("services/quotes/handler.py", "PREFIX + what", "PREFIX + what.upper()")
        assert (await running.event("changed"))["services"] == ["quotes"]
        assert (await running.event("reloaded"))["service"] == "quotes"
        assert await quotes.client.quote("x") == "one X"
        assert len(first & running_pids(project, ready)) == 1  # news
        project.write("services/shared.py", 'PREFIX = "two "\n')
        assert (await running.event("changed"))["services"] == ["news", "quotes"]
        told = [await running.event("reloaded"), await running.event("reloaded")]
        assert {event["service"] for event in told} == {"news", "quotes"}
        assert await news.client.quote("x") == "two x"
        assert not first & running_pids(project, ready)
        # The plan is followed, too: what a service is started with, and files that it names.
        project.write("cluster.toml", PLAN.replace("instances = 2", 'instances = 2\nenv = { MODE = "new" }'))
        assert (await running.event("reloaded"))["service"] == "quotes"
        project.write("cluster.toml", "[services.quotes]\ninstances = -1\n")
        assert "instances" in (await running.event("failed"))["reason"]
        # A service that is new there waits for the next mesh dev; until then nobody runs what is edited of it.
        project.write("cluster.toml", PLAN + "[services.alerts]\n")
        assert "the service alerts" in (await running.event("note"))["text"]
        project.write("services/alerts/__main__.py", "x = 1\n")
        assert (await running.event("changed", files=["services/alerts/__main__.py"]))["services"] == []
        assert news.failures == quotes.failures == []


async def test_a_first_start_that_fails_is_told_and_mended_by_an_edit(project, dev):
    project.write("services/quotes/handler.py", "import nothing_like_it\n")
    running = await dev("--no-consul", "quotes")
    failed = await running.event("failed")
    assert (failed["file"], failed["line"], failed["serving"]) == ("services/quotes/handler.py", 1, False)
    await running.event("not_ready")
    project.write("services/quotes/handler.py", HANDLER)
    assert (await running.event("reloaded"))["pid"] in running_pids(project, {"name": "shop-quotes"})


DEAF = """import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


async def test_a_start_that_hangs_is_told_and_given_up_by_the_next_edit(project, dev, environment):
    running = await dev("--no-consul", "quotes")
    ready = await running.event("ready")
    async with calling(project, ready["registry"]) as caller:
        project.write("services/quotes/handler.py", DEAF)
        assert "not ready after 5 s" in (await running.event("note"))["text"]
        project.write("services/quotes/handler.py", HANDLER.replace("PREFIX +", '"new " +'))
        await running.event("reloaded")
        assert await caller.client.quote("x") == "new x"
        # All of the source goes and comes back, as with `git stash`.
        (project.folder / "services").rename(project.folder / "away")
        assert "No module named" in (await running.event("failed"))["reason"]
        (project.folder / "away").rename(project.folder / "services")
        await running.event("reloaded")
        # Somebody restarts it in another terminal in the same moment.
        command = ("-m", "mesh.cli.main", "restart", "quotes", "--cluster", "shop-quotes")
        restart = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=project.folder, env=environment, stdout=PIPE, stderr=PIPE
        )
        await running.event("change", state="starting")
        project.write("services/quotes/handler.py", HANDLER.replace("PREFIX +", '"newest " +'))
        await running.event("reloaded")
        assert await caller.client.quote("x") == "newest x"
        await restart.communicate()
        assert restart.returncode == 0
    assert caller.failures == []


def running_pids(project, ready):
    """The processes that have a place in the cluster."""
    state = json.loads((project.folder / ".mesh" / ready["name"] / "state.json").read_text())
    return {one["pid"] for instances in state["services"].values() for one in instances}
