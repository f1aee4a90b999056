"""Discovery against a real Consul: what arrives how fast, and what an agent that dies, hangs or refuses does."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mesh.discovery import Instance, RegistryRefused, Watch, consul_http, open_registry, registration
from mesh.discovery.agent_process import ConsulAgent
from mesh.discovery.rules import encode_rule
from mesh.testing.consul import ConsulSpace, require_consul
from mesh.testing.leaks import no_leaks
from tests.discovery.conftest import FakeServer, eventually, instance

pytestmark = pytest.mark.integration


def ports(watch: Watch) -> list[int]:
    return [one.port - 7000 for one in watch.instances]


@pytest.fixture
async def agent(consul_binary: Path, tmp_path: Path) -> AsyncIterator[ConsulAgent]:
    """An agent that a test may treat badly."""
    async with ConsulAgent(consul_binary, tmp_path / "agent") as agent:
        yield agent


async def test_who_comes_and_goes_is_seen_at_once(consul: ConsulSpace) -> None:
    async with no_leaks(), open_registry(consul.url, zone="a") as registry, open_registry(consul.url) as other:
        watch = other.watch("pricing")
        await watch.ready()
        assert watch.known
        mine = [
            await registry.register(
                instance(
                    number,
                    admin=f"127.0.0.1:{8000 + number}",
                    weight=number,
                    meta={"protocol": "tchannel", "digest": "d"},
                )
            )
            for number in (1, 2, 3)
        ]
        assert await eventually(lambda: ports(watch) == [1, 2, 3]) < 1
        assert watch.instances[1] == Instance(
            "pricing", "pricing-2", "127.0.0.1", 7002, "127.0.0.1:8002", "a", 2,
            {"protocol": "tchannel", "digest": "d", "zone": "a", "admin": "127.0.0.1:8002"},
        )  # fmt: skip
        await mine[0].withdraw()
        assert await eventually(lambda: ports(watch) == [2, 3]) < 1
    assert consul.service_ids() == set()


async def test_only_healthy_instances_are_called_and_all_are_listed(consul: ConsulSpace, server: FakeServer) -> None:
    server.says(200, "ok")
    async with open_registry(consul.url) as registry:
        watch = registry.watch("pricing")
        for number in (1, 2):
            await registry.register(instance(number))
        await registry.register(instance(3), health_url=f"http://127.0.0.1:{server.port}/health")
        assert await eventually(lambda: ports(watch) == [1, 2, 3]) < 1  # without waiting for the first check
        server.says(503, "draining")
        assert await eventually(lambda: ports(watch) == [1, 2]) < 5
        found = await registry.services()
        assert {one.id: one.health for one in found["pricing"]} == {
            "pricing-1": "passing", "pricing-2": "passing", "pricing-3": "critical",
        }  # fmt: skip
        server.says(200, "ok")
        await eventually(lambda: ports(watch) == [1, 2, 3])


async def test_other_protocols_are_not_ours(consul: ConsulSpace) -> None:
    async with open_registry(consul.url) as registry:
        watch = registry.watch("pricing")
        await registry.register(Instance("pricing", "web", "127.0.0.1", 80, meta={"protocol": "http"}))
        await registry.register(instance(1))
        await eventually(lambda: ports(watch) == [1])
        assert [one.id for one in (await registry.services())["pricing"]] == ["pricing-1"]


async def test_rules_come_change_and_go(consul: ConsulSpace, lines: Callable[[], list[str]]) -> None:
    prefix = f"{consul.prefix}limits/"
    async with no_leaks(), open_registry(consul.url) as registry:
        watch = registry.watch_rules(prefix)
        await watch.ready()
        consul.put(f"{prefix}a", encode_rule({"rate": 5}))
        consul.put(f"{prefix}b", encode_rule(1, ttl_s=1.0, written_at=time.time()))
        consul.put(f"{prefix}bad", b"{")
        consul.put(f"{prefix}folder/", b"")
        await eventually(lambda: [rule.key for rule in watch.rules] == [f"{prefix}a", f"{prefix}b"] and bool(lines()))
        assert await eventually(lambda: [rule.value for rule in watch.rules] == [{"rate": 5}]) < 2
        consul.put(f"{prefix}a", encode_rule({"rate": 6}))
        await eventually(lambda: [rule.value for rule in watch.rules] == [{"rate": 6}])
        consul.delete(f"{prefix}a")
        await eventually(lambda: watch.rules == ())
        assert [line for line in lines() if "malformed" not in line] == []
        assert len(lines()) == 1


async def test_an_entry_taken_out_behind_its_back_comes_again(
    consul: ConsulSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "CHECK_EVERY_S", 0.2)
    async with open_registry(consul.url) as registry:
        await registry.register(instance(1))
        consul.deregister("pricing-1")
        await eventually(lambda: consul.service_ids() == {"pricing-1"})


async def test_an_agent_that_dies_and_comes_back_empty(agent: ConsulAgent, lines: Callable[[], list[str]]) -> None:
    async with no_leaks(), open_registry(agent.url) as registry, open_registry(agent.url) as caller:
        watch = caller.watch("pricing")
        mine = [await registry.register(instance(number)) for number in (1, 2, 3)]
        await eventually(lambda: ports(watch) == [1, 2, 3])
        seen: list[list[int]] = []
        watch.subscribe(lambda found: seen.append([one.port - 7000 for one in found]))
        agent.kill()
        await eventually(lambda: any("does not answer" in line for line in lines()))
        await agent.start()
        await eventually(lambda: ConsulSpace(agent).service_ids() == {"pricing-1", "pricing-2", "pricing-3"}, 20)
        await eventually(lambda: not any(one.suspect for one in watch.instances) and ports(watch) == [1, 2, 3], 20)
        assert all(found == [1, 2, 3] for found in seen)  # nobody was ever missing
        assert all(one.registered for one in mine)
        late = await registry.register(instance(4))
        await eventually(lambda: ports(watch) == [1, 2, 3, 4])
        await late.withdraw()
        await eventually(lambda: ports(watch) == [1, 2, 3])


async def test_an_agent_that_hangs_is_asked_once_a_second_at_most(
    agent: ConsulAgent, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul_http, "REQUEST_TIMEOUT_S", 0.3)
    monkeypatch.setattr(consul_http, "SLACK_S", 0.2)
    sent: list[float] = []
    request = consul_http.ConsulHttp._request

    async def counted(self: Any, *arguments: Any) -> Any:
        sent.append(time.monotonic())
        return await request(self, *arguments)

    monkeypatch.setattr(consul_http.ConsulHttp, "_request", counted)
    async with no_leaks(), open_registry(f"{agent.url}?wait_s=1") as registry:
        watches = [registry.watch(f"s{number}") for number in range(10)]
        mine = await registry.register(instance(1, service="s0"))
        await eventually(lambda: len(watches[0].instances) == 1)
        assert agent.pid is not None
        os.kill(agent.pid, signal.SIGSTOP)
        await eventually(lambda: any("does not answer" in line for line in lines()))
        await asyncio.sleep(1.5)  # until what was under way has failed
        del sent[:]
        await asyncio.sleep(2)
        assert len(sent) <= 3
        assert len(watches[0].instances) == 1
        assert not watches[0].instances[0].suspect
        os.kill(agent.pid, signal.SIGCONT)
        await eventually(lambda: any("answers again" in line for line in lines()), 20)
        await mine.withdraw()
        assert len(lines()) == 2


async def test_stopping_while_the_agent_hangs_takes_a_bounded_time(agent: ConsulAgent) -> None:
    async with no_leaks(), open_registry(agent.url) as registry:
        registry.watch("pricing")
        await registry.register(instance(1))
        assert agent.pid is not None
        os.kill(agent.pid, signal.SIGSTOP)
        before = time.monotonic()
    assert time.monotonic() - before < 4


TOKEN = "5f7a3c52-9d6e-4b1f-8a2e-0c4d1e9b7f60"


async def test_a_token_lets_in_and_is_never_written(
    consul_binary: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    lines: Callable[[], list[str]],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    acl = {"acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": TOKEN}}, "log_level": "debug"}
    async with ConsulAgent(consul_binary, tmp_path, config=acl) as agent:
        async with open_registry(agent.url, token=TOKEN) as registry:
            rules = registry.watch_rules("limits/")
            await rules.ready()
            watch = registry.watch("pricing")
            assert (await registry.register(instance(1))).registered
            await eventually(lambda: ports(watch) == [1])
            assert list(await registry.services()) == ["pricing"]
            async with open_registry(agent.url, token=f"{TOKEN[:-1]}1") as stranger:
                with pytest.raises(RegistryRefused, match=r"permission denied .*; check the ACL token"):
                    await stranger.services()
                refused = await stranger.register(instance(2))
                assert not refused.registered
                assert "permission denied" in refused.detail
                assert "refuses the registration of pricing-2" in lines()[-1]
    shown = caplog.text + "".join(capfd.readouterr()) + repr(vars(registry)) + registry.url
    assert TOKEN[:20] not in shown
    assert TOKEN[:20] not in agent.log_file.read_text()


def test_without_consul_a_test_fails_unless_told_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("THRIFTMESH_NO_CONSUL", raising=False)
    with pytest.raises(pytest.fail.Exception, match="no Consul agent: this machine has no apt-get"):
        require_consul()
    monkeypatch.setenv("THRIFTMESH_NO_CONSUL", "1")
    with pytest.raises(pytest.skip.Exception, match="THRIFTMESH_NO_CONSUL=1"):
        require_consul()
