"""The client half of a node: endpoints out of the registry, a stack per method, client objects.

One rule: a service's endpoints are watched once however many clients call it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, get_args

from mesh.balance import Endpoint, EndpointSet, RoundRobin, balance
from mesh.call import Clock, Reply, Stack, TimerWheel
from mesh.call import Service as CallService
from mesh.contract.model import Method, Service
from mesh.discovery.registry import Instance, Registry, RegistryError, Watch
from mesh.filters import CallMetrics
from mesh.net import Peers, Pools, framed_sender, split_address
from mesh.net import sender as net_sender
from mesh.node.client import Client, client_method
from mesh.node.deprecated import Told, warning
from mesh.node.drift import Drift
from mesh.node.sending import Send, sender
from mesh.stacks import client_stack

# What a client may speak. The last three are framed Thrift in strict binary: bare method names, `Service:method`, and
# THeader, which carries deadline, caller, trace and headers.
Protocol = Literal["tchannel", "framed", "multiplexed", "theader"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


class Calling:
    """Makes clients. `stack` is the page; replace it before the first client is made to put a filter in."""

    def __init__(
        self,
        *,
        caller: str,
        clock: Clock,
        wheel: TimerWheel,
        rng: random.Random,
        peers: Peers,
        pools: Pools,
        registry: Callable[[], Registry | None],
        calls: CallMetrics,
        attempts: CallMetrics,
        drift: Drift,
    ) -> None:
        self._caller = caller
        self._drift = drift
        self._clock = clock
        self._peers = peers
        self._pools = pools
        self._registry = registry
        self._balancer = RoundRobin(clock, rng)
        self._endpoints: dict[str, EndpointSet] = {}
        self._watches: list[Watch] = []
        self._sends: dict[tuple[str, str, Protocol], Send] = {}
        self._told: Told = set()
        self.stack = client_stack(
            clock=clock,
            wheel=wheel,
            rng=rng,
            calls=calls,
            attempts=attempts,
            endpoints_of=self.endpoints_of,
            balancer=self._balancer,
        )

    def endpoints_of(self, service: str) -> EndpointSet:
        """The endpoints of `service`, watched in the registry from the first time that somebody asks."""
        known = self._endpoints.get(service)
        if known is not None:
            return known
        registry = self._registry()
        if registry is None:
            made = EndpointSet(service, "this node has no registry (registry=, MESH_REGISTRY) and")
            made.update(())
        else:
            made = EndpointSet(service, registry.url)
            try:
                self._follow(made, registry)
            except RegistryError:
                made.ready = partial(self._follow_after_all, made, registry)
        self._endpoints[service] = made
        return made

    def _follow(self, made: EndpointSet, registry: Registry) -> None:
        watch = registry.watch(made.service)
        made.source, made.ready = registry.url, watch.ready
        self._watches.append(watch)
        watch.subscribe(lambda instances: self._changed(made, watch, instances))

    async def _follow_after_all(self, made: EndpointSet, registry: Registry) -> None:
        """For a registry that would not be watched when the client was made: each call tries again, and fails as calls
        fail, with what the registry says.
        """
        try:
            self._follow(made, registry)
        except RegistryError as error:
            made.source = f"{error}; it"
        else:
            await made.ready()

    def _changed(self, endpoints: EndpointSet, watch: Watch, instances: Iterable[Instance]) -> None:
        def endpoint(instance: Instance) -> Endpoint:
            return Endpoint(
                instance.address,
                zone=instance.zone,
                weight=instance.weight,
                meta=instance.meta,
                suspect=instance.suspect,
                refused=lambda: watch.refused(instance),
            )

        if watch.known:
            endpoints.update(endpoint(instance) for instance in instances)
            self._drift.changed(endpoints.service)

    def _stack_for(self, service: str, peers: Iterable[str] | None) -> tuple[Stack, EndpointSet]:
        """The page, and the endpoints among which it chooses."""
        if peers is None:
            return self.stack, self.endpoints_of(service)
        fixed = EndpointSet(service, "peers=")
        addresses = [peers] if isinstance(peers, str) else list(peers)
        for address in addresses:
            split_address(address)
        fixed.update(Endpoint(address) for address in addresses)
        return self.stack.replace("balance", balance(lambda _: fixed, self._balancer)), fixed

    def _leaf(self, method: Method, protocol: Protocol) -> CallService:
        if protocol == "tchannel":
            return net_sender(self._peers, method, self._clock)
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol {protocol!r}: expected one of {', '.join(PROTOCOLS)}")
        return framed_sender(self._pools, method, self._clock, protocol)

    def client(
        self, service: Service, name: str | None, peers: Iterable[str] | None, protocol: Protocol = "tchannel"
    ) -> Client:
        """A client of `service` under the registry name `name` (the contract's by default), or at fixed `peers`."""
        target = name or service.registry_name
        stack, endpoints = self._stack_for(target, peers)
        if protocol == "tchannel":  # the others do not tell their contract
            self._drift.used(target, service.contract, endpoints)
        methods = {}
        for name, method in service.methods.items():
            built = stack.build(target, method, self._leaf(method, protocol))
            carries_oneway = protocol != "tchannel"
            function = client_method(method, self._caller, target, built, carries_oneway=carries_oneway)
            methods[name] = warning(service, method, function, self._told)
        return Client(service, target, methods)

    async def call(
        self,
        method: Method,
        args: tuple[Any, ...],
        service: str | None,
        peers: Iterable[str] | None,
        protocol: Protocol = "tchannel",
    ) -> Reply:
        """One call, answered by the whole `Reply`. Raises BadRequest when the arguments break the contract."""
        target = service or method.registry_name
        key = (target, method.wire_name, protocol)
        send = self._sends.get(key) if peers is None else None
        if send is None:
            stack, _ = self._stack_for(target, peers)
            send = sender(method, self._caller, target, stack.build(target, method, self._leaf(method, protocol)))
            if peers is None:
                self._sends[key] = send
        return await send(args)

    def describe(self) -> list[dict[str, object]]:
        """For /debug/peers: each endpoint known, by service."""
        return [
            {
                "service": service,
                "address": endpoint.address,
                "in_flight": endpoint.in_flight,
                "zone": endpoint.zone,
                "suspect": endpoint.suspect,
                "avoided": endpoint.avoid_until > self._clock.now(),
            }
            for service, endpoints in sorted(self._endpoints.items())
            for endpoint in endpoints.all
        ]

    def close(self) -> None:
        for watch in self._watches:
            watch.close()
        self._watches.clear()
