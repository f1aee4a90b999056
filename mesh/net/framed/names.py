"""Which method a caller of framed Thrift means.

    method            the one method of that name among the services served here
    Service:method    a multiplexing client's form; `Service` is the contract's name, or the name in the registry

One rule: a name that could mean two methods means none, and the answer says how to tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from mesh.errors import UnknownMethod, UnknownService
from mesh.net.inbound import Route

META = "Meta"  # served under every registered name; its methods are not meant by a bare name
_SHOWN = 200  # characters of a caller's text in an answer
_LISTED = 2_000  # characters of what there is


class Names:
    """Finds routes by their names in framed Thrift. `routes` may grow, until the first call comes."""

    def __init__(self, routes: Mapping[tuple[str, bytes], Route]) -> None:
        self._routes = routes
        self._found: dict[str, list[tuple[str, Route]]] = {}

    def find(self, name: str) -> tuple[str, Route]:
        """The registered service's name and the route. Raises UnknownMethod or UnknownService."""
        if not self._found:
            self._learn()
        found = self._found.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            services = ", ".join(sorted({f"{service}:{route.method.name}" for service, route in found}))
            raise UnknownMethod(f"{name!r} could be any of {services} here; ask for one of them by that name")
        raise self._unknown(name[:_SHOWN])

    def _learn(self) -> None:
        found: defaultdict[str, list[tuple[str, Route]]] = defaultdict(list)
        # Meta last: below a service's registered name, its own method hides Meta's.
        for (service, _), route in sorted(self._routes.items(), key=lambda item: item[1].method.service == META):
            method = route.method
            names = {f"{method.service}:{method.name}"}
            if method.service != META:
                names |= {method.name, f"{service}:{method.name}"}
            elif f"{service}:{method.name}" not in found:
                names.add(f"{service}:{method.name}")
            for name in names:
                found[name].append((service, route))
        self._found = dict(found)

    def _unknown(self, name: str) -> UnknownMethod | UnknownService:
        """Lists what there is. No search for what was meant: a caller can buy that by the thousand."""
        scope, colon, _ = name.rpartition(":")
        known = sorted(each for each in self._found if each.rpartition(":")[0] == scope)
        if known or not colon:
            return UnknownMethod(f"unknown method {name!r}; served here: {', '.join(known)[:_LISTED] or 'nothing'}")
        services = sorted({each.rpartition(":")[0] for each in self._found if ":" in each})
        return UnknownService(f"unknown service {scope!r}; served here: {', '.join(services)[:_LISTED] or 'nothing'}")
