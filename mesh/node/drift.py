"""Callers that have another contract than those they call: noticed at connect, judged in the background, told once.

The callee announces its contract's digest in the init exchange, or the registry knows it. Where it differs from that of
the caller's, the callee's text is fetched over the same connection and compared, with the caller's as the one that
writes requests and reads replies. A compatible difference is a metric; an incompatible one is also a log line and a
detail of /health that name the method, the field and both types.

One rule: no call waits for any of this, fails because of it, or is refused for what it says. A contract from
elsewhere is a stranger's text: judged in a process of its own, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextvars import Context
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.admin import Check
from mesh.balance import EndpointSet
from mesh.call import Clock
from mesh.contract.judge import Judgement, Verdict, unknown
from mesh.contract.model import Contract
from mesh.net import Link
from mesh.node.announce import announced, short

log = logging.getLogger("mesh.node")

MAX_TRIES = 3  # at a digest whose text could not be had, and one more for each new connection to it
MAX_REMEMBERED = 256  # judged digests that nobody connected has any more: years of releases of a few callees
MAX_TOLD = 20  # log lines about one service: so many different contracts are an attack or a bug of ours, not news
MAX_SHOWN = 5  # differences in a line of /health: enough to know what to do
# A judgement takes some 0.4 s of CPU in a process of low priority. A rollout brings one or two new contracts; what a
# thousand peers with a contract each get is these seconds of it at once, and then a tenth of a core at most.
BURST_S = 10.0
SHARE = 0.1

Key = tuple[str, str, str]  # service, our digest, theirs


class Judge(Protocol):
    """`mesh.node.judging.Judging`, or what stands in for it in a test."""

    async def fetch(self, link: Link, service: str) -> bytes | Judgement:
        """The reply of Meta::thriftIDL as it came, or why there is none."""
        ...

    async def judge(self, ours: Contract, reply: bytes) -> Judgement: ...


@dataclass(slots=True)
class _Pair:
    """Two contracts of one service, and who is connected that has the other one."""

    service: str
    ours: Contract
    theirs: str
    links: dict[str, Link] = field(default_factory=dict)
    judgement: Judgement | None = None
    tries: int = 0
    told: bool = False

    @property
    def key(self) -> Key:
        return self.service, short(self.ours.digest), self.theirs

    @property
    def verdict(self) -> str:
        return self.judgement.verdict if self.judgement is not None else Verdict.UNKNOWN

    @property
    def pending(self) -> bool:
        """Whether it should be judged, and there is somebody to ask."""
        unknown = self.judgement is None or self.judgement.verdict == Verdict.UNKNOWN
        return unknown and self.tries < MAX_TRIES and bool(self.links)


@dataclass(slots=True)
class _Use:
    """One contract by which this node calls a service, and where its clients look for it."""

    contract: Contract
    endpoints: WeakSet[EndpointSet]  # a client with peers= brings its own, and takes it along


class Drift(Collector):
    """Everything that this node knows about its callees' contracts. `judge` fetches and compares (mesh.node.judging).

    `rpc_contract_drift{service, verdict}`: connected instances whose contract differs from the caller's.
    """

    def __init__(self, judge: Judge, clock: Clock) -> None:
        self._judge = judge
        self._clock = clock
        self._uses: dict[str, dict[str, _Use]] = {}  # service -> our digest -> use
        self._links: dict[str, Link] = {}
        self._pairs: dict[Key, _Pair] = {}
        self._at: dict[tuple[str, str, str], Key] = {}  # service, our digest, address -> its pair
        self._told: Counter[str] = Counter()
        self._left_s, self._left_at = BURST_S, clock.now()  # seconds to judge with, as of then
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    # -- what happens

    def used(self, service: str, contract: Contract, endpoints: EndpointSet) -> None:
        """A client calls `service` by `contract`, at `endpoints`."""
        by_digest = self._uses.setdefault(service, {})
        use = by_digest.setdefault(contract.digest, _Use(contract, WeakSet()))
        use.endpoints.add(endpoints)
        self.changed(service)

    def connected(self, address: str, link: Link) -> None:
        """A connection to `address` stands."""
        self._links[address] = link
        link.gone.add_done_callback(lambda _: self._gone(address, link))
        for service, by_digest in self._uses.items():
            for use in by_digest.values():
                self._look(service, use, address, link)

    def changed(self, service: str) -> None:
        """The instances of `service`, or what the registry says of them, are others than before."""
        for use in self._uses.get(service, {}).values():
            for endpoints in list(use.endpoints):
                for endpoint in endpoints.all:
                    link = self._links.get(endpoint.address)
                    if link is not None:
                        self._look(service, use, endpoint.address, link)

    def _look(self, service: str, use: _Use, address: str, link: Link) -> None:
        try:
            self._compare(service, use, address, link)
        except Exception:  # a bug here must not keep the connection from the calls that wait for it
            log.exception("looking at the contract of %s at %s failed", service, address)

    def _compare(self, service: str, use: _Use, address: str, link: Link) -> None:
        found = [endpoint for each in use.endpoints if (endpoint := each.at(address)) is not None]
        if not found:
            return  # this service is not called there
        registered = next((digest for endpoint in found if (digest := endpoint.meta.get("digest"))), "")
        # What the process says itself is newer than what the registry says of its address.
        theirs = announced(link.peer, service) or short(registered)
        ours = short(use.contract.digest)
        place = (service, ours, address)
        key = (service, ours, theirs)
        if self._at.get(place) == key and self._pairs[key].links.get(address) is link:
            return
        self._leave(place)
        if not theirs or theirs == ours:
            return
        pair = self._pairs.get(key) or _Pair(service, use.contract, theirs)
        self._pairs.pop(key, None)
        self._pairs[key] = pair  # last: the newest is forgotten last
        pair.links[address] = link
        pair.tries = min(pair.tries, MAX_TRIES - 1)  # somebody new may tell what others did not
        self._at[place] = key
        self._tell(pair)
        if pair.pending:
            self._wake()

    def _gone(self, address: str, link: Link) -> None:
        if self._links.get(address) is link:
            del self._links[address]
            for place in [place for place in self._at if place[2] == address]:
                self._leave(place)

    def _leave(self, place: tuple[str, str, str]) -> None:
        key = self._at.pop(place, None)
        if key is None:
            return
        self._pairs[key].links.pop(place[2], None)
        left = [key for key, pair in self._pairs.items() if not pair.links]
        for old in left[: max(0, len(left) - MAX_REMEMBERED)]:
            del self._pairs[old]

    # -- judging

    def _wake(self) -> None:
        if self._worker is None and not self._closed:
            # A context of its own: it outlives the call that happened to connect.
            self._worker = asyncio.create_task(self._work(), name="contract drift", context=Context())

    async def _work(self) -> None:
        try:
            while (pair := next((pair for pair in self._pairs.values() if pair.pending), None)) is not None:
                await self._afford()
                await self._settle(pair)
        finally:
            self._worker = None

    async def _afford(self) -> None:
        """Returns when there are seconds left to judge with."""
        now = self._clock.now()
        self._left_s = min(BURST_S, self._left_s + (now - self._left_at) * SHARE)
        self._left_at = now
        if self._left_s <= 0:
            await self._clock.sleep(-self._left_s / SHARE)

    async def _settle(self, pair: _Pair) -> None:
        if not pair.links:
            return  # gone while nothing could be afforded
        pair.tries += 1
        # Another one each time: who did not answer is not the only one who has this contract.
        link = list(pair.links.values())[(pair.tries - 1) % len(pair.links)]
        try:
            told = await self._judge.fetch(link, pair.service)
            if not isinstance(told, Judgement):
                told = await self._judge.judge(pair.ours, told)
                self._left_s -= told.cpu_s
            pair.judgement = told
        except Exception as error:  # nobody waits for this task: what it raises would be lost
            log.exception("judging the contract of %s failed", pair.service)
            pair.judgement = unknown(f"{type(error).__name__}: {error}")
        self._tell(pair)

    # -- what is told

    def _tell(self, pair: _Pair) -> None:
        """One line for each incompatible contract of a service, however many instances have it."""
        if pair.told or pair.verdict != Verdict.INCOMPATIBLE or not pair.links:
            return
        pair.told = True
        self._told[pair.service] += 1
        if self._told[pair.service] <= MAX_TOLD:
            log.warning("%s", _line(pair))
        elif self._told[pair.service] == MAX_TOLD + 1:
            log.warning("contract drift: %s has more than %d incompatible contracts; further ones are not logged",
                        pair.service, MAX_TOLD)  # fmt: skip

    def checks(self) -> dict[str, Check]:
        """For /health: a detail for each service some instance of which has an incompatible contract.

        It warns and fails nothing: calls that use what both contracts have in common go through.
        """
        lines: dict[str, list[str]] = {}
        for pair in self._pairs.values():
            if pair.links and pair.verdict == Verdict.INCOMPATIBLE:
                lines.setdefault(pair.service, []).append(_line(pair))
        return {f"contract:{service}": Check(True, _joined(told)) for service, told in lines.items()}

    def page(self) -> list[dict[str, object]]:
        """For /debug/peers."""
        return [
            {
                "service": pair.service,
                "address": address,
                "digest": short(pair.ours.digest),
                "digest_there": pair.theirs,
                "verdict": pair.verdict,
                "differences": list(pair.judgement.lines) if pair.judgement is not None else [],
            }
            for pair in self._pairs.values()
            for address in pair.links
        ]

    def collect(self) -> Iterator[Metric]:
        drift = GaugeMetricFamily(
            "rpc_contract_drift",
            "Connected instances with another contract than this caller's",
            labels=("service", "verdict"),
        )
        count = Counter({(service, verdict): 0 for service in self._uses for verdict in Verdict})
        for pair in list(self._pairs.values()):
            count[pair.service, Verdict(pair.verdict)] += len(pair.links)
        for (service, verdict), instances in count.items():
            drift.add_metric((service, verdict.value), instances)
        yield drift

    async def close(self) -> None:
        """Ends a judgement that is under way."""
        self._closed = True
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])


def _line(pair: _Pair) -> str:
    assert pair.judgement is not None
    addresses = sorted(pair.links)
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return f"contract drift: {pair.service} at {addresses[0]}{more}: {pair.judgement.text(MAX_SHOWN)}"


def _joined(lines: list[str]) -> str:
    more = f" | and {len(lines) - MAX_SHOWN} more contracts" if len(lines) > MAX_SHOWN else ""
    return " | ".join(lines[:MAX_SHOWN]) + more
