"""Who still uses what is deprecated: calls counted on the server, by caller.

One rule: handlers of methods that have nothing deprecated are the functions that were given, with nothing around them.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.call.context import context_var
from mesh.contract.deprecation import Deprecated, deprecated_in, finder_of
from mesh.contract.model import Method, Service
from mesh.filters.metrics import OTHER

MAX_CALLERS = 100  # a caller's name is its own claim; the rest are told together
# Entries in all: a hundred callers of a hundred deprecated things. Beyond, callers are told together as well.
MAX_ENTRIES = 10_000


@dataclass(slots=True)
class Use:
    """What one caller did with one deprecated thing. `last_seen` in seconds of the wall clock."""

    method: str
    what: Deprecated
    caller: str
    calls: int = 0
    last_seen: float = 0.0


class Usage(Collector):
    """The uses of all services of a node since it started; a restart forgets.

    `rpc_deprecated_uses_total{service, method, field, caller}`; `field` is empty for the method itself.
    """

    def __init__(self, max_callers: int = MAX_CALLERS, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._max_callers = max_callers
        self._callers: set[str] = set()
        self._uses: dict[tuple[str, str, str, str], Use] = {}  # service, method, thing, caller
        self._deprecated: dict[str, list[tuple[Method, Deprecated]]] = {}
        self._counting = threading.Lock()  # plain handlers run in threads
        self.since = wall()

    def serves(self, name: str, service: Service) -> None:
        """`service` is served under `name`: what of it is deprecated is shown also when nobody uses it."""
        self._deprecated[name] = list(deprecated_in(service))

    def watched(self, name: str, service: Service, method: Method, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted if there is anything to count."""
        finder = finder_of(service, method)
        reason = method.policy.deprecated
        if finder is None and reason is None:
            return function
        itself = [] if reason is None else [Deprecated("", reason)]

        @functools.wraps(function)
        def counted(*args: Any) -> Any:
            context = context_var.get()
            caller = context.caller if context is not None else None
            used = itself if finder is None else [*itself, *finder(args)]
            for what in used:
                self.count(name, method.wire_name, what, caller or "")
            return function(*args)

        return counted

    def count(self, service: str, method: str, what: Deprecated, caller: str) -> None:
        now = self._wall()
        with self._counting:
            key = (service, method, what.name, self._bounded(caller))
            if key not in self._uses and len(self._uses) >= MAX_ENTRIES:
                key = (service, method, what.name, OTHER)
            use = self._uses.get(key)
            if use is None:
                use = self._uses[key] = Use(method, what, key[3])
            use.calls += 1
            use.last_seen = now

    def _bounded(self, caller: str) -> str:
        if caller not in self._callers:
            if len(self._callers) >= self._max_callers:
                return OTHER
            self._callers.add(caller)
        return caller

    def uses(self, service: str) -> list[Use]:
        """Most calls first."""
        found = [use for key, use in list(self._uses.items()) if key[0] == service]
        return sorted(found, key=lambda use: (-use.calls, use.method, use.what.name, use.caller))

    def deprecated(self, service: str) -> list[tuple[Method, Deprecated]]:
        """Everything of `service` that is deprecated."""
        return self._deprecated.get(service, [])

    def page(self) -> dict[str, object]:
        """For /debug/usage."""
        return {
            "since": iso(self.since),
            "services": {
                service: {
                    "deprecated": [
                        {"method": method.wire_name, "field": what.name or None, "reason": what.reason}
                        for method, what in things
                    ],
                    "uses": [
                        {
                            "method": use.method,
                            "field": use.what.name or None,
                            "caller": use.caller,
                            "calls": use.calls,
                            "last_seen": iso(use.last_seen),
                        }
                        for use in self.uses(service)
                    ],
                }
                for service, things in self._deprecated.items()
            },
        }

    def collect(self) -> Iterator[Metric]:
        counted = CounterMetricFamily(
            "rpc_deprecated_uses",
            "Calls that use a deprecated method or set a deprecated field",
            labels=("service", "method", "field", "caller"),
        )
        for (service, method, thing, caller), use in list(self._uses.items()):
            counted.add_metric((service, method, thing, caller), use.calls)
        yield counted


def iso(seconds: float) -> str:
    """`2026-11-22T22:40:07Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
