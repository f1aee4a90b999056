"""The ends of a node's connections: what dials, what was accepted, and what an accepted one turns out to speak.

One rule: every end is made here, so that all have the node's limits, its list of connections and its dispatcher.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

from mesh.call import Clock
from mesh.net import Arrival, FramedLink, Link, Links
from mesh.node.serving import Serving
from mesh.wire import Identity, Limits

EPHEMERAL = "0.0.0.0:0"  # how TChannel says "nobody can dial me"


class Doors:
    """`address` and `announcement` are what an accepting end says of the node; both are set once it listens."""

    def __init__(
        self, name: str, *, limits: Limits, clock: Clock, serving: Serving, links: Links, framed_calls: Counter[str]
    ) -> None:
        self._name = name
        self._limits = limits
        self._clock = clock
        self._serving = serving
        self._links = links
        self._framed_calls = framed_calls
        self.address = EPHEMERAL
        self.announcement: Mapping[str, str] = {}

    def link(self, *, dialler: bool) -> Link:
        """One end of a TChannel connection, not yet connected."""
        announced = {} if dialler else self.announcement
        return Link(
            dialler=dialler,
            local=Identity(self.address, f"{self._name}[{os.getpid()}]", announced),
            limits=self._limits,
            clock=self._clock,
            inbound=self._serving.dispatcher,
            owner=self._links,
        )

    def arrival(self) -> Arrival:
        """What a socket that was accepted is given, until its first bytes say what it speaks."""
        return Arrival(
            tchannel=lambda: self.link(dialler=False),
            framed=self._framed,
            limits=self._limits,
            clock=self._clock,
            owner=self._links,
        )

    def _framed(self) -> FramedLink:
        return FramedLink(
            limits=self._limits,
            clock=self._clock,
            dispatcher=self._serving.dispatcher,
            names=self._serving.names,
            owner=self._links,
            calls=self._framed_calls,
        )
