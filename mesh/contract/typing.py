"""What a generated stub says a service is, so that a type checker knows its client and its handlers.

One rule: nothing here does anything at run time; a service's class carries the type of its client and the Protocol
that handlers have to fit, and `Node.client` and `Node.serve` pass them on.
"""

from __future__ import annotations

from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")
HandlerT = TypeVar("HandlerT")


class ServiceOf(Generic[ClientT, HandlerT]):
    """The base of every service's class: `class Pricing(ServiceOf[PricingClient, PricingHandler])` in its stub.

    Invariant in both: a covariant handler would let `serve(Pricing, object())` pass. So a service that extends another
    is no subclass of it for a type checker; its client and handler Protocols extend the other's, which is what code
    depends on.
    """
