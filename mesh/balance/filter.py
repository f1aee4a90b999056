"""Chooses the endpoint of an attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mesh.balance.endpoints import EndpointSet
from mesh.balance.round_robin import Balancer
from mesh.call import Call, Filter, Reply, Service
from mesh.call.stack import MakeFilter
from mesh.contract.model import Method
from mesh.errors import UnknownService


def balance(endpoints_of: Callable[[str], EndpointSet], balancer: Balancer) -> MakeFilter:
    """`endpoints_of(service)` gives the endpoints that the registry knows, kept up to date."""

    def make(service: str, method: Method) -> Filter:
        endpoints = endpoints_of(service)

        async def first_answer(call: Call, next: Service) -> Reply:
            await endpoints.ready()
            return await attempt(call, next)

        def attempt(call: Call, next: Service) -> Awaitable[Reply]:
            endpoint = balancer.choose(endpoints, call)
            if endpoint is None:
                return nobody(call)
            call.endpoint = endpoint
            call.peer = endpoint.address
            if call.tried and endpoint in call.tried:
                return as_before(call.tried[endpoint])
            return next(call)

        async def as_before(refusal: Reply) -> Reply:
            return refusal  # everybody has refused: nobody is asked a second time

        async def nobody(call: Call) -> Reply:
            return Reply(
                UnknownService(
                    f"{endpoints.source} knows no instance of {service!r}",
                    service=service,
                    method=method.wire_name,
                )
            )

        def balance(call: Call, next: Service) -> Awaitable[Reply]:
            return attempt(call, next) if endpoints.known else first_answer(call, next)

        return balance

    return make
