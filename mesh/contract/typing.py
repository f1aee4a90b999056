"""What a generated stub says a service is, so that a type checker knows its client and its handlers.

One rule: nothing here does anything at run time; a service's class carries the types of its clients and the Protocol
that handlers have to fit, and `Node.client` and `Node.serve` pass them on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

ClientT = TypeVar("ClientT")
HandlerT = TypeVar("HandlerT")
if TYPE_CHECKING:  # who needs no blocking client writes `ServiceOf[C, H]`; defaults came with Python 3.13
    import typing_extensions

    BlockingT = typing_extensions.TypeVar("BlockingT", default=Any)
else:
    BlockingT = TypeVar("BlockingT")


class ServiceOf(Generic[ClientT, HandlerT, BlockingT]):
    """The base of every service's class, with the types of its client, its handlers and its blocking client.

    In a stub: `class Pricing(ServiceOf[PricingClient, PricingHandler, PricingBlockingClient])`.

    Invariant in all: a covariant handler would let `serve(Pricing, object())` pass. So a service that extends another
    is no subclass of it for a type checker; its client and handler Protocols extend the other's, which is what code
    depends on.
    """
