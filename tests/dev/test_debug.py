"""`mesh dev --debug`: a process that stands still for longer than everything allows, as at a breakpoint."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pytest

from mesh.contract import load
from mesh.discovery import open_registry
from mesh.errors import CallTimeout
from mesh.node import Node

pytestmark = pytest.mark.integration

# Longer than the method's timeout (1 s), than the supervisor's probe (1 s, twice) and than Consul waits for an answer
# to its health check (3 s).
STOP_S = 5.0


async def test_a_breakpoint_ends_no_marked_call_and_costs_no_registration(project, dev, environment):
    project.replace(
        "services/quotes/handler.py",
        "return PREFIX + what",
        "time.sleep(float(what))\n        return PREFIX + what",
    )
    running = await dev("quotes", "--debug")
    ready = await running.event("ready")
    pid = ready["services"]["quotes"][0]["pid"]
    body = json.dumps({"what": str(STOP_S)})
    begun = time.monotonic()
    command = [
        *("-m", "mesh.cli.main", "call", "quotes", "Quotes::quote", body, "--debug"),
        "--registry",
        ready["registry"],
    ]
    call = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    healths = set()
    async with open_registry(ready["registry"]) as registry:
        while call.returncode is None:
            try:
                async with asyncio.timeout(0.2):
                    await call.wait()
            except TimeoutError:
                healths.update(one.health for one in (await registry.services())["quotes"])
    out, err = await call.communicate()
    assert (json.loads(out), err.decode()) == (f"one {STOP_S}", "")
    assert time.monotonic() - begun > STOP_S
    assert healths == {"passing"}
    async with Node("caller", registry=ready["registry"], admin="off", env={}, debug=True) as node:
        client = node.client(load(project.folder / "idl/quotes.thrift").module.Quotes, service="quotes")
        assert await client.quote("0") == "one 0"
        with pytest.raises(CallTimeout):  # who does not carry the mark has the contract's time
            await client.quote("1.5")
    state = json.loads((project.folder / ".mesh" / ready["name"] / "state.json").read_text())
    assert state["services"]["quotes"][0]["pid"] == pid
