"""Whether a registry answers, as all the requests of one process together see it.

One rule: while it is in trouble the process sends it at most one repeat a second, however many services it watches;
and every change of state is one log line, not one per watch and attempt.
"""

from __future__ import annotations

import asyncio
import logging
import random

from mesh.call.clock import Clock
from mesh.discovery.backoff import MIN_WAIT_S
from mesh.discovery.registry import RegistryError, RegistryRefused

RECOVERY_SPREAD_S = 0.5  # after the first success the others follow within this, not all in one instant

log = logging.getLogger("mesh.discovery")


class Link:
    """The shared state of one registry's requests. `asker` names who asks: "watch of pricing"."""

    def __init__(self, name: str, *, clock: Clock, rng: random.Random) -> None:
        self._name = name
        self._clock = clock
        self._rng = rng
        self._unanswered: set[str] = set()
        self._refused: dict[str, str] = {}
        self._since = 0.0
        self._next_slot = 0.0
        self._sleepers: set[asyncio.Event] = set()

    @property
    def degraded(self) -> bool:
        """Whether some request's newest attempt got no answer."""
        return bool(self._unanswered)

    def failed(self, asker: str, error: RegistryError) -> None:
        """An attempt of `asker` failed."""
        if isinstance(error, RegistryRefused):
            if self._refused.get(asker) != str(error):
                log.warning("%s refuses the %s: %s", self._name, asker, error)
            self._refused[asker] = str(error)
            return
        if not self._unanswered:
            self._since = self._clock.now()
            log.warning("%s does not answer (%s: %s); what it said last stays in use", self._name, asker, error)
        self._unanswered.add(asker)

    def answered(self, asker: str) -> None:
        """An attempt of `asker` succeeded: whoever waits to try again may do so soon."""
        if self._refused.pop(asker, None) is not None:
            log.info("%s accepts the %s again", self._name, asker)
        if asker not in self._unanswered:
            return
        self._unanswered.discard(asker)
        self._next_slot = self._clock.now()
        for sleeper in self._sleepers:
            sleeper.set()
        if not self._unanswered:
            log.info("%s answers again after %.1f s", self._name, self._clock.now() - self._since)

    def forget(self, asker: str) -> None:
        """`asker` asks no more; what failed for it says nothing about the others."""
        self._refused.pop(asker, None)
        self._unanswered.discard(asker)

    async def pause(self, seconds: float) -> None:
        """Waits before a repeat: `seconds`, then for this process's next slot; less when another asker got through."""
        if await self.idle(seconds):
            return
        now = self._clock.now()
        slot = max(now, self._next_slot)
        self._next_slot = slot + MIN_WAIT_S
        await self.idle(slot - now)

    async def idle(self, seconds: float) -> bool:
        """Waits until the next request is due; less, and then True, when the registry is found to answer again."""
        woken = await self._sleep(seconds)
        if woken:
            await self._clock.sleep(self._rng.uniform(0, RECOVERY_SPREAD_S))
        return woken

    async def _sleep(self, seconds: float) -> bool:
        """Returns True if it was woken early."""
        if seconds <= 0:
            return False
        woken = asyncio.Event()
        until = self._clock.now() + seconds
        timer = self._clock.call_at(until, woken.set)
        self._sleepers.add(woken)
        try:
            await woken.wait()
            return self._clock.now() < until
        finally:
            timer.cancel()
            self._sleepers.discard(woken)
