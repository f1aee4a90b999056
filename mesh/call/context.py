"""What a handler knows about the call it serves, and what it sets for the calls it makes.

One context variable holds it all. It is replaced, never changed in place (but for the reply headers), so that a task
started inside a handler keeps what it saw. At first it holds the bare call: most handlers never ask, and what they
could ask for is made when somebody does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from math import inf
from typing import Any

from mesh.call.call import NOTHING, Call
from mesh.call.clock import loop_now
from mesh.call.trace import Trace

# Prefixes of header keys that belong to the protocols below; an application may not set them.
RESERVED_PREFIXES = ("$rpc$-", "$tracing$", "$mesh$")


class Context:
    """The call being served, if any, and the scopes opened around the code that asks.

    `deadline` is the moment that nothing done here may pass, in seconds of the loop's clock (None: no limit yet);
    `asked` is the one that a `mesh.deadline` scope set for the calls inside it, which otherwise take their contract's.
    `headers` are the caller's, `reply_headers` go back to it, `outgoing` are the headers that the next calls carry one
    hop, `baggage` travels to all further down.
    """

    __slots__ = ("asked", "baggage", "call", "deadline", "outgoing", "reply_headers", "trace")

    def __init__(
        self,
        call: Call | None,
        deadline: float | None,
        trace: Trace | None,
        outgoing: Mapping[str, str],
        baggage: Mapping[str, str],
        reply_headers: dict[str, str],
        asked: float | None = None,
    ) -> None:
        self.asked = asked
        self.call = call
        self.deadline = deadline
        self.trace = trace
        self.outgoing = outgoing
        self.baggage = baggage
        self.reply_headers = reply_headers

    @property
    def caller(self) -> str | None:
        """Who called, by its own word; None outside a handler."""
        return self.call.caller if self.call else None

    @property
    def service(self) -> str | None:
        """The service that was called; None outside a handler."""
        return self.call.service if self.call else None

    @property
    def method(self) -> str | None:
        """`Service::method` being served; None outside a handler."""
        return self.call.method.wire_name if self.call else None

    @property
    def headers(self) -> Mapping[str, str]:
        """The application headers that came with the call."""
        return self.call.headers if self.call else {}

    def remaining_ms(self) -> float | None:
        """Milliseconds left until the deadline (never negative); None when there is no deadline."""
        if self.deadline is None:
            return None
        return max(0.0, (self.deadline - loop_now()) * 1000)

    def replace(
        self,
        *,
        deadline: float | None = None,
        outgoing: Mapping[str, str] | None = None,
        baggage: Mapping[str, str] | None = None,
        trace: Trace | None = None,
    ) -> Context:
        """The same context with some of it replaced."""
        return Context(
            self.call,
            self.deadline if deadline is None else deadline,
            self.trace if trace is None else trace,
            self.outgoing if outgoing is None else outgoing,
            self.baggage if baggage is None else baggage,
            self.reply_headers,
            self.asked if deadline is None else deadline,
        )


context_var: ContextVar[Context | Call | None] = ContextVar("mesh_context", default=None)


def current_or_none() -> Context | None:
    """The context of the running code; None when it serves no call and opened no scope."""
    here = context_var.get()
    return serving(here) if isinstance(here, Call) else here


def current() -> Context:
    """The context of the running code; an empty one when it serves no call and opened no scope."""
    return current_or_none() or Context(None, None, None, NOTHING, NOTHING, {})


def serving(call: Call) -> Context:
    """The context in which the handler of `call` runs; made once."""
    context: Context | None = call.context
    if context is None:
        context = call.context = Context(call, call.deadline, call.trace, NOTHING, call.baggage, {})
    return context


class Scope:
    """`with`: the code inside runs in this context. To be entered once, at once."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        self._token = context_var.set(self._context)
        return self._context

    def __exit__(self, *exc: object) -> None:
        context_var.reset(self._token)


def deadline(*, ms: float) -> Scope:
    """Calls made inside have `ms` milliseconds, counted from here; a deadline that is already nearer stays.

    Raises ValueError unless `ms` is positive.
    """
    if not 0 < ms < inf:
        raise ValueError(f"a deadline must be a positive number of milliseconds, got {ms!r}")
    when = loop_now() + ms / 1000
    here = current_or_none()
    if here is None:
        return Scope(Context(None, when, None, NOTHING, NOTHING, {}, when))
    if here.deadline is not None:
        when = min(when, here.deadline)
    return Scope(here.replace(deadline=when))


def headers(values: Mapping[str, str]) -> Scope:
    """Calls made inside carry these application headers, one hop far, besides those of an outer scope.

    Raises TypeError for what is not text and ValueError for a key that belongs to the protocol.
    """
    _check_texts("header", values)
    here = current()
    return Scope(here.replace(outgoing={**here.outgoing, **values}))


def baggage(values: Mapping[str, str] | None = None, /, **more: str) -> Scope:
    """Calls made inside, and all that are made because of them, carry these texts (tenant, developer)."""
    added = {**(values or {}), **more}
    _check_texts("baggage", added)
    here = current()
    return Scope(here.replace(baggage={**here.baggage, **added}))


def tracing(trace: Trace) -> Scope:
    """Calls made inside are children of `trace`: for what comes in by another door than RPC (HTTP, a queue)."""
    return Scope(current().replace(trace=trace))


def _check_texts(what: str, values: Mapping[Any, Any]) -> None:
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"{what} {key!r}: keys and values are text, got {type(value).__name__}")
        if not key or key.startswith(RESERVED_PREFIXES):
            raise ValueError(
                f"{what} {key!r}: a key may not be empty or start with {', '.join(RESERVED_PREFIXES)} (reserved)"
            )
