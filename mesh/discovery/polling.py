"""Consul's blocking queries: ask with the last index, be answered when something has changed, or when time is up.

One rule: nothing that Consul does makes this loop spin, and nothing it fails to do makes it stop.

The rules for the index are from Consul's documentation of blocking queries: reset when it goes backwards, never 0.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from mesh.call.clock import Clock
from mesh.discovery.answer import Answer
from mesh.discovery.backoff import MIN_WAIT_S, Backoff
from mesh.discovery.link import Link
from mesh.discovery.registry import RegistryError

T = TypeVar("T")

MIN_SPACING_S = 0.05  # a busy catalogue gives twenty answers a second, each the newest; nobody needs them faster


class Poll(Generic[T]):
    """Keeps `deliver` told of what `fetch` gives, until cancelled.

    `fetch(index)` sends one query (0: answer at once) and raises RegistryError. `deliver(value, doubtful)` gets every
    answer; `failed()` is called when there was none.
    """

    def __init__(
        self,
        asker: str,
        fetch: Callable[[int], Awaitable[Answer[T]]],
        deliver: Callable[[T, bool], None],
        failed: Callable[[], None],
        *,
        link: Link,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._asker = asker
        self._fetch = fetch
        self._deliver = deliver
        self._failed = failed
        self._link = link
        self._clock = clock
        self._backoff = Backoff(rng)

    async def run(self) -> None:
        """Runs until cancelled."""
        index = newest = 0
        try:
            while True:
                sent = self._clock.now()
                try:
                    answer = await self._fetch(index)
                except RegistryError as error:
                    self._link.failed(self._asker, error)
                    self._failed()
                    index = 0  # a restarted registry counts from low again, and would hold an old index for long
                    await self._link.pause(self._backoff.next_s())
                    continue
                self._link.answered(self._asker)
                self._backoff.reset()
                doubtful = answer.index < newest or not answer.known_leader
                self._deliver(answer.value, doubtful)
                spacing = MIN_WAIT_S if doubtful or answer.index == index else MIN_SPACING_S
                index, newest = (0 if doubtful else answer.index), answer.index
                await self._clock.sleep(max(0.0, sent + spacing - self._clock.now()))
        finally:
            self._link.forget(self._asker)
