"""Which instances of a service to believe in, given what a registry says over time.

One rule: an answer that takes away too much at once, or that comes from a registry in doubt, makes suspects and not
gaps. A suspect stays usable until it refuses a connection or its time is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mesh.discovery.registry import Instance

SUSPECT_S = 60.0  # a restarted agent hears of its services again within seconds; a minute covers a slow fleet


class Members:
    """The believed instances of one service. Pure: the caller brings the time (monotonic seconds).

    An endpoint is its address; two entries with one address are one endpoint, the later one counts.
    """

    def __init__(self, *, suspect_s: float = SUSPECT_S) -> None:
        self._suspect_s = suspect_s
        self._listed: dict[str, Instance] = {}
        self._suspects: dict[str, tuple[float, Instance]] = {}  # address -> (until, instance)

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Ordered by address, so that an answer in another order changes nothing for a balancer."""
        suspects = {address: instance for address, (_, instance) in self._suspects.items()}
        return tuple(instance for _, instance in sorted((self._listed | suspects).items()))

    @property
    def next_expiry(self) -> float | None:
        return min((until for until, _ in self._suspects.values()), default=None)

    def answer(self, listed: Iterable[Instance], now: float, *, doubtful: bool = False) -> None:
        """Takes over what the registry says. `doubtful`: it may not know everything (no leader, its index fell)."""
        new = {instance.address: instance for instance in listed}
        new_ids = {instance.id for instance in new.values()}
        # The same id at another address has moved; nobody waits at the old one.
        missing = [old for address, old in self._listed.items() if address not in new and old.id not in new_ids]
        if doubtful or len(missing) * 2 > len(self._listed):
            for instance in missing:
                self._suspects[instance.address] = (now + self._suspect_s, replace(instance, suspect=True))
        self._listed = new
        self._suspects = {
            address: (until, instance)
            for address, (until, instance) in self._suspects.items()
            if address not in new and instance.id not in new_ids
        }
        self.expire(now)

    def refused(self, address: str) -> None:
        """Nobody listens there. What the registry lists stays: it may be about to start, and callers eject it."""
        self._suspects.pop(address, None)

    def expire(self, now: float) -> None:
        """Drops the suspects whose time is over."""
        self._suspects = {address: entry for address, entry in self._suspects.items() if entry[0] > now}
