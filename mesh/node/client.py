"""The client object: a method per method of the contract, which returns the result or raises.

Never compiled: what a user calls is a real coroutine function, and says so when nobody awaits it.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mesh.call import OK, Declared
from mesh.call import Service as CallService
from mesh.contract.model import Method, Service
from mesh.errors import BadRequest, MeshError
from mesh.node.sending import sender


class Client:
    """Calls one service. Its methods are those of the contract, with the contract's parameter names.

    They return the result, raise the exceptions that the contract declares, and `MeshError` for every other failure.
    """

    def __init__(self, service: Service, name: str, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._service = service
        self._name = name
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        known = list(self._service.methods)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
        raise AttributeError(f"{self._service.name} has no method {name!r}; {hint}")

    def __repr__(self) -> str:
        return f"<Client of {self._name} {self._service.name}>"


def client_method(
    method: Method, caller: str, service: str, stack: CallService, *, carries_oneway: bool = False
) -> Callable[..., Awaitable[Any]]:
    """The function that a user calls. A oneway one returns once the call is written."""
    names = tuple(parameter.name for parameter in method.parameters)
    count = len(names)
    send = sender(method, caller, service, stack)

    async def call(*args: Any, **named: Any) -> Any:
        if named or len(args) != count:
            args = _positional(method, names, args, named)
        reply = await send(args)
        outcome = reply.outcome
        if outcome is OK:
            return reply.value
        try:
            raise failure(outcome)
        finally:
            del reply, outcome  # this frame is in the error's traceback: the error would hold itself

    async def oneway(*args: Any, **named: Any) -> Any:
        raise BadRequest(
            "a oneway method cannot be called over TChannel; use protocol='framed', or give it a void result",
            service=service,
            method=method.wire_name,
        )

    function = oneway if method.oneway and not carries_oneway else call
    function.__name__ = function.__qualname__ = method.name
    return function


def failure(outcome: object) -> Exception:
    """What a caller sees of an outcome that is not Ok."""
    if isinstance(outcome, Declared):
        assert outcome.exception is not None, "the leaf decodes what was declared"
        return outcome.exception
    assert isinstance(outcome, MeshError)
    return outcome


def _positional(
    method: Method, names: tuple[str, ...], args: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Arguments in the contract's order; what is left out is None. Raises TypeError as a function would."""
    if len(args) > len(names):
        raise TypeError(f"{method.wire_name}() takes {len(names)} arguments ({', '.join(names)}), got {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            raise TypeError(f"{method.wire_name}() has no parameter {name!r}; it has {', '.join(names) or 'none'}")
        if name in given:
            raise TypeError(f"{method.wire_name}() got two values for {name!r}")
        given[name] = value
    return tuple(given.get(name) for name in names)
