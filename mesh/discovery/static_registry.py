"""A registry that is one fixed list: whatever is asked for is at those addresses.

One rule: it never changes, so nothing can be entered and nobody needs to be told.
"""

from __future__ import annotations

from mesh.call.clock import Clock
from mesh.discovery.address import format_address
from mesh.discovery.feeds import FeedRuleWatch, FeedWatch, InstanceFeed, RuleFeed
from mesh.discovery.registry import Instance, ParseRule, Registration, RuleWatch, Watch


class StaticRegistration:
    """Nothing to keep alive and nothing to withdraw."""

    registered = True
    detail = ""

    async def withdraw(self) -> None:
        return None


class StaticRegistry:
    """`Registry` for `static://HOST:PORT,...`."""

    def __init__(self, url: str, addresses: tuple[tuple[str, int], ...], *, clock: Clock) -> None:
        self.url = url
        self._addresses = addresses
        self._clock = clock

    async def __aenter__(self) -> StaticRegistry:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def register(self, instance: Instance, *, health_url: str | None = None) -> Registration:
        return StaticRegistration()

    def watch(self, service: str) -> Watch:
        feed = InstanceFeed(service, self._clock)
        feed.deliver(self._instances(service))
        return FeedWatch(feed, feed.close)

    def watch_rules(self, prefix: str, *, parse: ParseRule | None = None) -> RuleWatch:
        feed = RuleFeed(self._clock, parse)
        feed.deliver({})
        return FeedRuleWatch(feed, feed.close)

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        """One entry, `*`: the list does not say which services are there."""
        return {"*": self._instances("*")}

    def _instances(self, service: str) -> tuple[Instance, ...]:
        return tuple(Instance(service, format_address(host, port), host, port) for host, port in self._addresses)
