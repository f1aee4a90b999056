"""Several agents of one Consul, scripted, in virtual time: who is asked, and where an entry stands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from mesh.call.clock import LoopClock
from mesh.discovery.answer import Answer
from mesh.discovery.consul_agents import LEADER_EVERY_S, TIDY_EVERY_S, ConsulAgents
from mesh.discovery.consul_registry import ConsulRegistry
from mesh.discovery.registration import CHECK_EVERY_S, UNCONFIRMED_S
from mesh.discovery.registry import Instance, RegistryError, RegistryRefused
from mesh.testing.leaks import no_leaks
from mesh.testing.virtual import virtual_time
from tests.discovery.conftest import ScriptedConsul, eventually, instance

DOWN = RegistryError("connection refused")


class Catalogue:
    """What the agents share: (node, id) to the instance, and which nodes gossip holds for dead."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Instance] = {}
        self.dead: set[str] = set()


class ScriptedAgent(ScriptedConsul):
    """One agent: `catalogue` (of ScriptedConsul) is its own list, `shared` the cluster's."""

    def __init__(self, name: str, shared: Catalogue) -> None:
        super().__init__()
        self.name = name
        self.shared = shared
        self.cut_off = False
        self.abandoned = 0

    def die(self) -> None:
        self.shared.dead.add(self.name)
        self.fail(DOWN)

    def come_back(self) -> None:
        """With its own list, which it writes into the catalogue again."""
        self.shared.dead.discard(self.name)
        self.error = None
        self.shared.entries |= {(self.name, one.id): one for one in self.catalogue.values()}

    async def _write(self, instance: Instance, health_url: str | None) -> None:
        await super()._write(instance, health_url)
        if not self.cut_off:
            self.shared.entries[self.name, instance.id] = instance

    async def deregister(self, instance_id: str) -> None:
        await super().deregister(instance_id)
        self.shared.entries.pop((self.name, instance_id), None)

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]:
        answer = await super().instances(service, index)
        return Answer(answer.value, answer.index, not self.cut_off)

    async def has_leader(self) -> bool:
        await self._answer("leader")
        return not self.cut_off

    async def dead_nodes_with(self, instance: Instance) -> list[str]:
        await self._answer("dead nodes")
        return [node for node, id in self.shared.entries if id == instance.id and node in self.shared.dead]

    async def strike(self, node: str, instance_id: str) -> None:
        await self._answer(f"strike {node}")
        self.shared.entries.pop((node, instance_id), None)

    def abandon(self) -> None:
        self.abandoned += 1
        error, self.error = self.error, RegistryError("stream closed")
        self.change(self.index)
        asyncio.get_running_loop().call_soon(setattr, self, "error", error)


class Three:
    def __init__(self) -> None:
        self.shared = Catalogue()
        self.a, self.b, self.c = (ScriptedAgent(name, self.shared) for name in "abc")
        self.agents = ConsulAgents([self.a, self.b, self.c], clock=LoopClock())
        self.registry = ConsulRegistry("consul://a,b,c", self.agents, clock=LoopClock(), rng=random.Random(7))

    def where(self, id: str = "pricing-1") -> list[str]:
        """The nodes that the catalogue has it under."""
        return sorted(node for node, found in self.shared.entries if found == id)


@virtual_time
async def test_the_first_is_asked_as_long_as_it_answers() -> None:
    three = Three()
    async with no_leaks(), three.registry as registry:
        entry = await registry.register(instance(1))
        assert entry.registered
        await asyncio.sleep(60)
        assert three.where() == ["a"]
        assert three.b.requests == three.c.requests == []
    assert three.where() == []
    assert three.a.closed
    assert three.b.closed
    assert three.c.closed


@virtual_time
async def test_an_entry_moves_at_once_and_stands_once(lines: Callable[[], list[str]]) -> None:
    three = Three()
    async with no_leaks(), three.registry as registry:
        entry = await registry.register(instance(1))
        three.a.die()
        took = await eventually(lambda: three.where() == ["b"], within_s=CHECK_EVERY_S * 1.2 + TIDY_EVERY_S * 2)
        assert took < CHECK_EVERY_S * 1.2 + TIDY_EVERY_S
        assert entry.registered
        assert lines()[0] == "a: connection refused; b is asked from now on"
        assert not any("does not answer" in line for line in lines())
        three.a.come_back()  # its list still has the entry
        assert three.where() == ["a", "b"]
        await eventually(lambda: three.where() == ["b"], within_s=TIDY_EVERY_S * 2)
        assert three.a.catalogue == {}
        asked = len(three.a.requests)
        await asyncio.sleep(60)
        assert len(three.a.requests) == asked  # it does not go back by itself, nor ask there any more
    assert three.where() == []


@virtual_time
async def test_withdrawn_wherever_it_may_be(lines: Callable[[], list[str]]) -> None:
    three = Three()
    async with no_leaks(), three.registry as registry:
        entry = await registry.register(instance(1))
        three.a.hangs = True  # it takes nothing and says nothing, and keeps what it has
        await eventually(lambda: "b" in three.where(), within_s=20)
        assert set(three.where()) == {"a", "b"}
        three.a.hangs = False
        await entry.withdraw()
        assert three.where() == []
        assert three.a.catalogue == three.b.catalogue == {}


@virtual_time
async def test_who_is_cut_off_from_its_cluster_is_left(lines: Callable[[], list[str]]) -> None:
    """It answers and takes entries, but nobody else hears of them."""
    three = Three()
    async with no_leaks(), three.registry as registry:
        watch = registry.watch("pricing")
        entry = await registry.register(instance(1))
        three.a.cut_off = True
        await eventually(lambda: "b" in three.where(), within_s=LEADER_EVERY_S + 2 * CHECK_EVERY_S)
        assert entry.registered
        assert "a knows no leader; b is asked from now on" in lines()
        assert three.a.abandoned == 1  # the watch's long poll there, too
        three.b.catalogue["pricing-2"] = instance(2)
        three.b.change()
        await eventually(lambda: [one.id for one in watch.instances] == ["pricing-1", "pricing-2"])


@virtual_time
async def test_during_an_election_nobody_knows_a_leader_and_nobody_moves() -> None:
    three = Three()
    async with no_leaks(), three.registry as registry:
        await registry.register(instance(1))
        for agent in (three.a, three.b, three.c):
            agent.cut_off = True
        await asyncio.sleep(20)
        assert three.b.asked("register") == three.c.asked("register") == []


@virtual_time
async def test_a_pure_caller_leaves_the_dead_and_the_cut_off_as_well() -> None:
    three = Three()
    three.b.catalogue["pricing-1"] = three.c.catalogue["pricing-1"] = instance(1)
    three.a.error = DOWN
    async with no_leaks(), three.registry as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        assert watch.known
        assert [one.id for one in watch.instances] == ["pricing-1"]
        three.b.cut_off = True
        three.b.change()
        await eventually(lambda: bool(three.c.asked("watch")), within_s=30)


@virtual_time
async def test_all_gone_says_each_ones_reason_and_keeps_what_was_known(lines: Callable[[], list[str]]) -> None:
    three = Three()
    three.a.catalogue["pricing-2"] = instance(2)
    async with no_leaks(), three.registry as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        entry = await registry.register(instance(1))
        await eventually(lambda: len(watch.instances) == 2)
        for agent in (three.a, three.b, three.c):
            agent.die()
        await asyncio.sleep(UNCONFIRMED_S + 10)
        assert [one.id for one in watch.instances] == ["pricing-1", "pricing-2"]
        assert not entry.registered
        for name in "abc":
            assert f"{name}: connection refused" in entry.detail
        with pytest.raises(RegistryError, match="a: connection refused; b: connection refused; c: connection refused"):
            await registry.services()
        assert sum("does not answer" in line for line in lines()) == 1
        three.c.come_back()
        await eventually(lambda: entry.registered, within_s=60)
        assert "c" in three.where()


@virtual_time
async def test_a_refusal_is_an_answer_and_asks_no_other_agent() -> None:
    three = Three()
    three.a.error = RegistryRefused("permission denied; check the ACL token")
    async with no_leaks(), three.registry as registry:
        with pytest.raises(RegistryRefused, match="permission denied"):
            await registry.services()
        assert three.b.requests == []


@virtual_time
async def test_what_cannot_be_cleared_up_harms_nothing(lines: Callable[[], list[str]]) -> None:
    """No permission to strike, or no answer to it: the entry here is registered all the same."""
    three = Three()
    async with no_leaks(), three.registry as registry:
        entry = await registry.register(instance(1))

        async def refused(*_: Any) -> list[str]:
            raise RegistryRefused("permission denied")

        three.b.dead_nodes_with = refused  # type: ignore[method-assign]
        three.a.die()
        await eventually(lambda: "b" in three.where(), within_s=10)
        await asyncio.sleep(30)
        assert entry.registered
        assert sum("permission denied" in line for line in lines()) >= 1


@virtual_time
async def test_withdrawn_in_the_middle_of_clearing_up() -> None:
    three = Three()
    async with no_leaks(), three.registry as registry:
        entry = await registry.register(instance(1))
        three.a.die()
        await eventually(lambda: "b" in three.where(), within_s=10)
        at_it = asyncio.Event()

        async def slowly(instance_id: str) -> None:
            at_it.set()
            await asyncio.sleep(0.5)

        three.a.deregister = slowly  # type: ignore[method-assign]
        await at_it.wait()
        task = entry._task  # type: ignore[attr-defined]
        await entry.withdraw()
        assert task.cancelled() or task.exception() is None
        assert "b" not in three.where()
