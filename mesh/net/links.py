"""All connections of a node: counted, listed, and told about in the log when they are not what they should be."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.net.running import Running
from mesh.wire import PeerInfo

log = logging.getLogger("mesh.net")

_DIRECTIONS = ("in", "out")
# Accepted connections that may stand. A caller holds one per instance, so this is a fleet of thousands; each costs a
# descriptor (the usual limit is 1,024 to a million) and about 6 KB.
MAX_INCOMING = 10_000


class Standing(Protocol):
    """A socket that stands, whatever it speaks, or before that is known."""

    dialler: bool
    remote: str
    bytes_received: int
    bytes_sent: int

    @property
    def serving(self) -> Mapping[int, Running]: ...
    def close(self, reason: str) -> None: ...


class Speaking(Standing, Protocol):
    """A connection over which calls go: `protocol` is what it speaks, for people and metrics."""

    protocol: str
    loop: asyncio.AbstractEventLoop

    @property
    def peer(self) -> PeerInfo | None: ...
    def flush(self) -> None: ...
    def drain(self, reason: str) -> None: ...
    async def round_trip(self) -> None: ...
    def describe(self) -> dict[str, object]: ...


def row(link: Speaking, *, calls_out: int = 0, calls_in: int = 0, draining: str | None = None) -> dict[str, object]:
    """A connection's line in /debug/connections, of a protocol in which nobody says who he is."""
    return {
        "remote": link.remote,
        "direction": _direction(link),
        "protocol": link.protocol,
        "peer": None,
        "calls_out": calls_out,
        "calls_in": calls_in,
        "bytes_sent": link.bytes_sent,
        "bytes_received": link.bytes_received,
        "draining": draining,
    }


class Links(Collector):
    """The open links; `rpc_connections*` metrics by direction."""

    def __init__(self, max_incoming: int = MAX_INCOMING) -> None:
        self._max_incoming = max_incoming
        self._incoming: set[Standing] = set()  # accepted, also those without a handshake yet
        self._open: set[Speaking] = set()
        self._unflushed: list[Speaking] = []
        self._opened = dict.fromkeys(_DIRECTIONS, 0)
        self._closed = dict.fromkeys(_DIRECTIONS, 0)
        self._failed = dict.fromkeys(_DIRECTIONS, 0)
        self._bytes = {(direction, way): 0 for direction in _DIRECTIONS for way in ("sent", "received")}

    def __iter__(self) -> Iterator[Standing]:
        """Every link that stands, and every socket that was accepted."""
        return iter([*self._open, *(link for link in self._incoming if link not in self._open)])

    def connected(self, link: Standing) -> bool:
        """The socket stands; False when as many were accepted as may be."""
        if link.dialler:
            return True
        self._incoming.add(link)
        return len(self._incoming) <= self._max_incoming

    def opened(self, link: Speaking) -> None:
        """The handshake is over."""
        self._open.add(link)
        self._opened[_direction(link)] += 1

    def known(self, link: Standing) -> None:
        """What it speaks is known, and another object has the socket from here on."""
        self._incoming.discard(link)

    def closed(self, link: Standing, reason: str) -> None:
        direction = _direction(link)
        self._count_bytes(link)
        self._incoming.discard(link)
        if link in self._open:
            self._open.discard(link)
            self._closed[direction] += 1
            log.debug("connection with %s closed: %s", link.remote, reason)
            return
        self._failed[direction] += 1
        if not link.dialler and (
            link.bytes_received or len(self._incoming) >= self._max_incoming
        ):  # a bare connect is somebody's liveness check
            log.warning("connection from %s refused: %s", link.remote, reason)

    def plan_flush(self, link: Speaking) -> None:
        """`link` is flushed at the end of this loop turn, with all others that have something to write."""
        if not self._unflushed:
            link.loop.call_soon(self._flush)
        self._unflushed.append(link)

    def _flush(self) -> None:
        links, self._unflushed = self._unflushed, []
        for link in links:
            try:
                link.flush()
            except Exception:  # the others of this turn have done nothing wrong
                log.exception("writing to %s failed", link.remote)
                link.close("writing failed")

    def close(self, reason: str) -> None:
        """Ends them all."""
        for link in self:
            link.close(reason)

    def incoming(self) -> list[Speaking]:
        return [link for link in self._open if not link.dialler]

    def _count_bytes(self, link: Standing) -> None:
        self._bytes[_direction(link), "sent"] += link.bytes_sent
        self._bytes[_direction(link), "received"] += link.bytes_received

    def describe(self) -> list[dict[str, object]]:
        """For /debug/connections."""
        return [link.describe() for link in sorted(self._open, key=lambda link: link.remote)]

    def collect(self) -> Iterator[Metric]:
        standing = GaugeMetricFamily("rpc_connections", "Connections that stand", labels=("direction",))
        opened = CounterMetricFamily("rpc_connections_opened", "Handshakes finished", labels=("direction",))
        closed = CounterMetricFamily("rpc_connections_closed", "Connections ended", labels=("direction",))
        failed = CounterMetricFamily("rpc_connections_failed", "Connections without a handshake", labels=("direction",))
        volume = CounterMetricFamily("rpc_connection_bytes", "Bytes on the wire", labels=("direction", "way"))
        for direction in _DIRECTIONS:
            mine = [link for link in self._open if _direction(link) == direction]
            standing.add_metric((direction,), len(mine))
            opened.add_metric((direction,), self._opened[direction])
            closed.add_metric((direction,), self._closed[direction])
            failed.add_metric((direction,), self._failed[direction])
            sent = self._bytes[direction, "sent"] + sum(link.bytes_sent for link in mine)
            received = self._bytes[direction, "received"] + sum(link.bytes_received for link in mine)
            volume.add_metric((direction, "sent"), sent)
            volume.add_metric((direction, "received"), received)
        by_protocol = GaugeMetricFamily(
            "rpc_connections_by_protocol", "Connections that stand", labels=("direction", "protocol")
        )
        for key, count in Counter((_direction(link), link.protocol) for link in self._open).items():
            by_protocol.add_metric(key, count)
        yield from (standing, opened, closed, failed, volume, by_protocol)


def _direction(link: Standing) -> str:
    return "out" if link.dialler else "in"
