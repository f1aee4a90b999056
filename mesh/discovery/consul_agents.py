"""Several agents of one Consul cluster, taken for one: whoever answers is asked, and an entry stands at one of them.

One rule: the catalogue is one, but each agent has a list of its own of what was entered with it, and writes that list
into the catalogue again whenever it comes back. Who moves to another agent has therefore to clear up behind himself, at
the old agent as soon as it answers, and until then in the catalogue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mesh.call.clock import Clock
from mesh.discovery.answer import Answer
from mesh.discovery.registry import Instance, RegistryError, RegistryRefused

TIDY_EVERY_S = 5.0  # how often an agent that is away is asked whether it is back; its own clean-up takes a minute
TIDY_S = 1.0  # how long that may hold up the check of an entry; an agent that is back answers in milliseconds
LEADER_EVERY_S = 3.0  # an election takes 2 to 18 s: who asks for its end more often learns nothing

T = TypeVar("T")
log = logging.getLogger("mesh.discovery")


class Agent(Protocol):
    """`ConsulApi`, or what stands in for it in a test."""

    name: str  # HOST:PORT

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]: ...
    async def rules(self, prefix: str, index: int) -> Answer[dict[str, bytes]]: ...
    async def services(self) -> dict[str, tuple[Instance, ...]]: ...
    async def register(self, instance: Instance, health_url: str | None) -> None: ...
    async def holds(self, instance: Instance) -> bool: ...
    async def deregister(self, instance_id: str) -> None: ...
    async def has_leader(self) -> bool: ...
    async def dead_nodes_with(self, instance: Instance) -> list[str]: ...
    async def strike(self, node: str, instance_id: str) -> None: ...
    def abandon(self) -> None: ...
    async def close(self) -> None: ...


class ConsulAgents:
    """The `Api` of a `ConsulRegistry` on several agents; the first one is asked for as long as it answers.

    It does not go back by itself: an agent that comes and goes would move every entry each time.
    """

    def __init__(self, agents: Sequence[Agent], *, clock: Clock) -> None:
        self._agents = list(agents)
        self._asked = self._agents[0]
        self._clock = clock
        self._homes: dict[str, set[Agent]] = {}  # by entry: agents that may have it on their own list
        self._tidied: dict[str, float] = {}
        self._leader_asked = float("-inf")

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]:
        return await self._read(lambda agent: agent.instances(service, index))

    async def rules(self, prefix: str, index: int) -> Answer[dict[str, bytes]]:
        return await self._read(lambda agent: agent.rules(prefix, index))

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        return await self._ask(lambda agent: agent.services())

    async def register(self, instance: Instance, health_url: str | None) -> None:
        homes = self._homes.setdefault(instance.id, set())

        async def enter(agent: Agent) -> None:
            homes.add(agent)  # before it is asked: a request that fails may have taken effect
            await agent.register(instance, health_url)

        await self._ask(enter)

    async def holds(self, instance: Instance) -> bool:
        """Whether the agent that is asked has this entry; agents that had it before are relieved of it on the way."""
        await self._leave_who_is_cut_off()
        held = await self._ask(lambda agent: agent.holds(instance))
        if held:
            await self._tidy(instance)
        return held

    async def deregister(self, instance_id: str) -> None:
        """Takes the entry out wherever it may be. Raises the first failure, after all were asked."""
        homes = list(self._homes.pop(instance_id, ()) or (self._asked,))
        self._tidied.pop(instance_id, None)
        failed = await asyncio.gather(*(agent.deregister(instance_id) for agent in homes), return_exceptions=True)
        for agent, error in zip(homes, failed, strict=True):
            if isinstance(error, RegistryError):
                raise RegistryError(f"{agent.name}: {error}")
            if error is not None:
                raise error

    async def close(self) -> None:
        await asyncio.gather(*(agent.close() for agent in self._agents))

    async def _ask(self, question: Callable[[Agent], Awaitable[T]]) -> T:
        """The first answer, from the agent that is asked at present on. A refusal is an answer."""
        first = self._asked
        start = self._agents.index(first)
        failures: list[str] = []
        for agent in self._agents[start:] + self._agents[:start]:
            try:
                answer = await question(agent)
            except RegistryRefused:
                raise
            except RegistryError as error:
                failures.append(f"{agent.name}: {error}")
                continue
            if failures and self._asked is first:
                self._move(agent, failures[0])
            return answer
        raise RegistryError("; ".join(failures))

    async def _read(self, question: Callable[[Agent], Awaitable[Answer[T]]]) -> Answer[T]:
        answer = await self._ask(question)
        if not answer.known_leader:
            await self._leave_who_is_cut_off()
        return answer

    async def _leave_who_is_cut_off(self) -> None:
        """A server on the wrong side of a split answers and takes entries, and nobody ever hears of them."""
        now = self._clock.now()
        if now - self._leader_asked < LEADER_EVERY_S:
            return
        self._leader_asked = now
        asked = self._asked
        if await _has_leader(asked) is not False:
            return
        for agent in self._agents:
            if agent is not asked and await _has_leader(agent) and self._asked is asked:
                self._move(agent, f"{asked.name} knows no leader")
                return

    def _move(self, to: Agent, why: str) -> None:
        log.warning("%s; %s is asked from now on", why, to.name)
        left, self._asked = self._asked, to
        left.abandon()  # a long poll at a host that vanished would notice it only when its time is up

    async def _tidy(self, instance: Instance) -> None:
        """Takes the entry off the lists of agents where it stood before, so that it stands once."""
        homes = self._homes.get(instance.id, set())  # this very set: a withdrawal may take it away meanwhile
        others = homes - {self._asked}
        now = self._clock.now()
        if not others or now - self._tidied.get(instance.id, float("-inf")) < TIDY_EVERY_S:
            return
        self._tidied[instance.id] = now
        try:
            async with asyncio.timeout(TIDY_S):
                gone = await asyncio.gather(*(_let_go(agent, instance) for agent in others))
                homes -= {agent for agent, done in zip(others, gone, strict=True) if done}
                if not all(gone):
                    for node in await self._asked.dead_nodes_with(instance):
                        await self._asked.strike(node, instance.id)
        except (RegistryError, TimeoutError) as error:
            log.debug("an earlier entry of %s stays for now: %s", instance.id, error)


async def _let_go(agent: Agent, instance: Instance) -> bool:
    try:
        await agent.deregister(instance.id)
    except RegistryError:
        return False
    return True


async def _has_leader(agent: Agent) -> bool | None:
    """None when it does not say."""
    try:
        return await agent.has_leader()
    except RegistryError:
        return None
