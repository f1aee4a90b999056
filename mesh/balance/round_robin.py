"""Each endpoint in turn, those to be avoided last."""

from __future__ import annotations

import random
from typing import Protocol

from mesh.balance.endpoints import Endpoint, EndpointSet
from mesh.call import Call, Clock


class Balancer(Protocol):
    """How one endpoint out of many is chosen for an attempt."""

    def choose(self, endpoints: EndpointSet, call: Call) -> Endpoint | None:
        """The endpoint for this attempt, one that `call.tried` does not hold if there is any; None: nobody is there.

        MUST NOT block, and MUST return an endpoint whenever the set has one.
        """
        ...


class RoundRobin:
    """Starts at a random place, so that many callers started together do not march in step."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._turn = rng.getrandbits(16)

    def choose(self, endpoints: EndpointSet, call: Call) -> Endpoint | None:
        candidates = endpoints.all
        count = len(candidates)
        if count == 0:
            return None
        self._turn = turn = self._turn + 1
        first = candidates[turn % count]
        tried = call.tried
        if not first.avoid_until and not tried and not first.suspect:
            return first  # the ordinary case, before anything is compared
        now = self._clock.now()
        best, best_rank = first, 8
        for step in range(count):
            endpoint = candidates[(turn + step) % count]
            rank = 4 * (tried is not None and endpoint in tried) + 2 * (endpoint.avoid_until > now) + endpoint.suspect
            if endpoint.avoid_until <= now:
                endpoint.avoid_until = 0.0
            if rank == 0:
                return endpoint
            if rank < best_rank:
                best, best_rank = endpoint, rank
        return best
