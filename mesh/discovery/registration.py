"""This process's entry in Consul, kept there.

One rule: what counts is what the agent says it holds, asked again every few seconds; an agent that restarted has
forgotten everything, and one that lost sight of a hung process has thrown it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Protocol

from mesh.call.clock import Clock
from mesh.discovery.backoff import Backoff
from mesh.discovery.link import Link
from mesh.discovery.registry import Instance, RegistryError

CHECK_EVERY_S = 3.0  # a forgotten entry is back within this; one small local request each
UNCONFIRMED_S = 15.0  # three checks in a row without an answer: nobody can say any more that it is registered
FIRST_TRY_S = 2.0  # how long the start of a node waits for a registry that hangs
WITHDRAW_S = 2.0  # how long its stop does; the health check takes out what is left

log = logging.getLogger("mesh.discovery")


class RegistrationApi(Protocol):
    async def register(self, instance: Instance, health_url: str | None) -> None: ...
    async def holds(self, instance: Instance) -> bool: ...
    async def deregister(self, instance_id: str) -> None: ...


class ConsulRegistration:
    """`Registration`. `start` makes the first attempt and keeps the entry from then on; `withdraw` ends both."""

    def __init__(
        self,
        api: RegistrationApi,
        instance: Instance,
        health_url: str | None,
        *,
        link: Link,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.instance = instance
        self._api = api
        self._health_url = health_url
        self._link = link
        self._clock = clock
        self._rng = rng
        self._asker = f"registration of {instance.id}"
        self._confirmed_at: float | None = None
        self._problem = "the first attempt is under way"
        self._entered_once = False
        self._writing = asyncio.Lock()
        self.withdrawn = False
        self._task: asyncio.Task[None] | None = None

    @property
    def registered(self) -> bool:
        if self._confirmed_at is None:
            return False
        return not self._problem or self._clock.now() - self._confirmed_at < UNCONFIRMED_S

    @property
    def detail(self) -> str:
        if self.registered:
            return ""
        if self._confirmed_at is None:
            return f"not registered: {self._problem}"
        return f"not confirmed for {self._clock.now() - self._confirmed_at:.0f} s: {self._problem}"

    async def start(self) -> None:
        """Returns after the first attempt, or when that has taken too long; it then goes on by itself."""
        first = asyncio.Event()
        self._task = asyncio.create_task(self._keep(first), name=self._asker)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TRY_S):
                await first.wait()

    async def withdraw(self) -> None:
        """Takes the entry out, within a bounded time; never raises."""
        if self.withdrawn:
            return
        self.withdrawn = True
        try:
            async with asyncio.timeout(WITHDRAW_S):
                # A registering request that is cut off may still take effect, after our deregistering one.
                async with self._writing:
                    await self._api.deregister(self.instance.id)
        except (RegistryError, TimeoutError) as error:
            reason = str(error) or f"no answer within {WITHDRAW_S:.0f} s"
            if self._entered_once:  # else there is nothing to take out, as far as anybody knows
                log.warning(
                    "%s is not taken out of the registry: %s; its health check will do it", self.instance.id, reason
                )
        finally:
            self._confirmed_at, self._problem = None, "withdrawn"
            await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep(self, first: asyncio.Event) -> None:
        backoff = Backoff(self._rng)
        try:
            while not self.withdrawn:
                error = await self._attempt()
                first.set()
                if error is None:
                    backoff.reset()
                    await self._link.idle(CHECK_EVERY_S * self._rng.uniform(0.8, 1.2))
                else:
                    await self._link.pause(backoff.next_s())
        finally:
            self._link.forget(self._asker)

    async def _attempt(self) -> RegistryError | None:
        try:
            if not await self._api.holds(self.instance):
                await self._enter()
        except RegistryError as error:
            self._problem = str(error)
            self._link.failed(self._asker, error)
            return error
        self._link.answered(self._asker)
        self._problem = ""
        self._confirmed_at = self._clock.now()
        return None

    async def _enter(self) -> None:
        self._confirmed_at = None
        async with self._writing:
            if self.withdrawn:
                return
            await self._api.register(self.instance, self._health_url)
        if self._entered_once:
            log.warning("%s was no longer in the registry; it is registered again", self.instance.id)
        self._entered_once = True
