"""The registry that Consul keeps: one blocking query per watched service or rule prefix, shared by all who ask for it.

One rule: it asks only for names that somebody wants, and what it once learnt stays until Consul itself says otherwise.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mesh.call.clock import Clock
from mesh.discovery.answer import Answer
from mesh.discovery.feeds import FeedRuleWatch, FeedWatch, InstanceFeed, RuleFeed
from mesh.discovery.link import Link
from mesh.discovery.polling import Poll
from mesh.discovery.registration import ConsulRegistration, RegistrationApi
from mesh.discovery.registry import Instance, ParseRule, Registration, RegistryError, RuleWatch, Watch

MAX_WATCHES = 400  # each holds a connection to the agent; the HTTP client has places for these and some more

_ID = re.compile(r"[A-Za-z0-9._:@/-]{1,200}")  # it stands in URLs and in a filter expression


class Api(RegistrationApi, Protocol):
    """`ConsulApi`, or what stands in for it in a test."""

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]: ...
    async def rules(self, prefix: str, index: int) -> Answer[dict[str, bytes]]: ...
    async def services(self) -> dict[str, tuple[Instance, ...]]: ...
    async def close(self) -> None: ...


@dataclass(slots=True)
class _Shared:
    """One poll and those who use it."""

    feed: InstanceFeed | RuleFeed
    task: asyncio.Task[None]
    users: int = 0


class ConsulRegistry:
    """`Registry`. `zone` is that of this process; what it registers is there unless it says otherwise."""

    def __init__(self, url: str, api: Api, *, clock: Clock, rng: random.Random, zone: str | None = None) -> None:
        self.url = url
        self._api = api
        self._clock = clock
        self._rng = rng
        self._zone = zone
        self._link = Link(url, clock=clock, rng=rng)
        self._shared: dict[Hashable, _Shared] = {}
        self._registrations: list[ConsulRegistration] = []
        self._closed = False

    async def __aenter__(self) -> ConsulRegistry:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closed = True
        await asyncio.gather(*(registration.withdraw() for registration in self._registrations))
        tasks = [shared.task for shared in self._shared.values()]
        for key in list(self._shared):
            self._end(key)
        if tasks:
            await asyncio.wait(tasks)
        await self._api.close()

    async def register(self, instance: Instance, *, health_url: str | None = None) -> Registration:
        if self._closed:
            raise RegistryError(f"{self.url} is closed")
        if not _ID.fullmatch(instance.id):
            raise ValueError(f"an instance id has letters, digits and . _ : @ / -, at most 200; not {instance.id!r}")
        if instance.zone is None:
            instance = replace(instance, zone=self._zone)
        registration = ConsulRegistration(
            self._api, instance, health_url, link=self._link, clock=self._clock, rng=self._rng
        )
        self._registrations = [one for one in self._registrations if not one.withdrawn] + [registration]
        await registration.start()
        return registration

    def watch(self, service: str) -> Watch:
        key = ("service", service)
        shared = self._shared.get(key)
        if shared is None:
            feed = InstanceFeed(service, self._clock)
            shared = self._follow(key, f"watch of {service}", lambda index: self._api.instances(service, index), feed)
        shared.users += 1
        assert isinstance(shared.feed, InstanceFeed)
        return FeedWatch(shared.feed, lambda: self._release(key))

    def watch_rules(self, prefix: str, *, parse: ParseRule | None = None) -> RuleWatch:
        if prefix.startswith("/"):
            raise ValueError(f"keys do not start with a slash: {prefix!r}")
        key = ("rules", prefix, parse)
        shared = self._shared.get(key)
        if shared is None:
            feed = RuleFeed(self._clock, parse)
            shared = self._follow(key, f"watch of rules {prefix}", lambda index: self._api.rules(prefix, index), feed)
        shared.users += 1
        assert isinstance(shared.feed, RuleFeed)
        return FeedRuleWatch(shared.feed, lambda: self._release(key))

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        try:
            return await self._api.services()
        except RegistryError as error:
            raise type(error)(f"{self.url}: {error}") from None

    def _follow(
        self,
        key: Hashable,
        asker: str,
        fetch: Callable[[int], Awaitable[Answer[Any]]],
        feed: InstanceFeed | RuleFeed,
    ) -> _Shared:
        if self._closed:
            raise RegistryError(f"{self.url} is closed")
        if len(self._shared) >= MAX_WATCHES:
            raise RegistryError(f"{self.url}: {MAX_WATCHES} watches are open, more are not allowed; close some")
        poll = Poll(asker, fetch, feed.deliver, feed.failed, link=self._link, clock=self._clock, rng=self._rng)
        self._shared[key] = _Shared(feed, asyncio.create_task(poll.run(), name=asker, context=Context()))
        return self._shared[key]

    def _release(self, key: Hashable) -> None:
        shared = self._shared.get(key)
        if shared is None:
            return
        shared.users -= 1
        if shared.users == 0:
            self._end(key)

    def _end(self, key: Hashable) -> None:
        shared = self._shared.pop(key)
        shared.task.cancel()
        shared.feed.close()
        shared.feed.failed()  # whoever waits for a first answer waits no longer
