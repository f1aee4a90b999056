"""Between a source that answers now and then and the watches that callers hold.

One rule: time alone may end a suspect or a rule, but while the source does not answer it ends no suspect: the evidence
against it cannot be renewed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mesh.call.clock import Clock, Timer
from mesh.discovery.followed import Followed
from mesh.discovery.members import SUSPECT_S, Members
from mesh.discovery.registry import Instance, ParseRule, Rule, Unwatch
from mesh.discovery.rules import RuleBook

T = TypeVar("T")


class InstanceFeed:
    """The instances of one service, from one source to all its watches in this process.

    `suspect_s` 0 is for a source that is never wrong about what is gone.
    """

    def __init__(self, service: str, clock: Clock, *, suspect_s: float = SUSPECT_S) -> None:
        self.service = service
        self.followed: Followed[tuple[Instance, ...]] = Followed(())
        self._clock = clock
        self._members = Members(suspect_s=suspect_s)
        self._timer: Timer | None = None
        self._silent = False

    def deliver(self, listed: Iterable[Instance], doubtful: bool = False) -> None:
        """The source answered."""
        self._silent = False
        self._members.answer(listed, self._clock.now(), doubtful=doubtful)
        self.followed.answered()  # first: who is told of the change asks at once whether it can be believed
        self._publish()

    def failed(self) -> None:
        """The source did not answer."""
        self._silent = True
        self.followed.tried()

    def refused(self, instance: Instance) -> None:
        self._members.refused(instance.address)
        self._publish()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        if not self._silent:  # else the next answer does it
            self._members.expire(self._clock.now())
            self._publish()

    def _publish(self) -> None:
        self.followed.set(self._members.instances)
        self.close()
        if (when := self._members.next_expiry) is not None:
            self._timer = self._clock.call_at(when, self._expire)


class RuleFeed:
    """The rules under one prefix, from one source to all its watches that parse them alike."""

    def __init__(self, clock: Clock, parse: ParseRule | None, wall: Callable[[], float] = time.time) -> None:
        self.followed: Followed[tuple[Rule, ...]] = Followed(())
        self._clock = clock
        self._wall = wall
        self._book = RuleBook(parse=parse)
        self._timer: Timer | None = None

    def deliver(self, entries: Mapping[str, bytes], doubtful: bool = False) -> None:
        """The source answered."""
        self._book.answer(entries, now=self._clock.now(), wall=self._wall(), doubtful=doubtful)
        self.followed.answered()  # first: who is told of the change asks at once whether it can be believed
        self._publish()

    def failed(self) -> None:
        """The source did not answer; rules go on, and expire, without it."""
        self.followed.tried()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._book.expire(self._clock.now())
        self._publish()

    def _publish(self) -> None:
        self.followed.set(self._book.rules)
        self.close()
        if (when := self._book.next_expiry) is not None:
            self._timer = self._clock.call_at(when, self._expire)


class Subscriptions:
    """What one watch has subscribed to, ended together."""

    def __init__(self) -> None:
        self._ended = False
        self._unwatch: list[Unwatch] = []

    def add(self, followed: Followed[T], changed: Callable[[T], None]) -> Unwatch:
        if self._ended:
            raise RuntimeError("the watch is closed")
        unwatch = followed.subscribe(changed)
        self._unwatch.append(unwatch)
        return unwatch

    def end(self) -> bool:
        """Returns whether this was the first time."""
        first, self._ended = not self._ended, True
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch.clear()
        return first


class FeedWatch:
    """`Watch` on a feed. `released` is called once, when it is closed."""

    def __init__(self, feed: InstanceFeed, released: Callable[[], None]) -> None:
        self.service = feed.service
        self._feed = feed
        self._released = released
        self._subscriptions = Subscriptions()

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self._feed.followed.value

    @property
    def known(self) -> bool:
        return self._feed.followed.known

    async def ready(self) -> None:
        await self._feed.followed.ready()

    def subscribe(self, changed: Callable[[tuple[Instance, ...]], None]) -> Unwatch:
        return self._subscriptions.add(self._feed.followed, changed)

    def refused(self, instance: Instance) -> None:
        self._feed.refused(instance)

    def close(self) -> None:
        if self._subscriptions.end():
            self._released()


class FeedRuleWatch:
    """`RuleWatch` on a feed. `released` is called once, when it is closed."""

    def __init__(self, feed: RuleFeed, released: Callable[[], None]) -> None:
        self._feed = feed
        self._released = released
        self._subscriptions = Subscriptions()

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._feed.followed.value

    async def ready(self) -> None:
        await self._feed.followed.ready()

    def subscribe(self, changed: Callable[[tuple[Rule, ...]], None]) -> Unwatch:
        return self._subscriptions.add(self._feed.followed, changed)

    def close(self) -> None:
        if self._subscriptions.end():
            self._released()
