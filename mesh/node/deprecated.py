"""Tells a caller's developer what is deprecated: a DeprecationWarning where the call is written, and one log line.

One rule: a client's method that has nothing deprecated is left as it is.
"""

from __future__ import annotations

import functools
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mesh.contract.deprecation import finder_of
from mesh.contract.model import Method, Service

log = logging.getLogger("mesh.node")

# Attribute of a method that warns: what it does first, for a caller that hands the rest to another thread.
WARN = "__mesh_warn__"

ClientMethod = Callable[..., Awaitable[Any]]
Told = set[tuple[str, str]]  # method and field ("" for the method itself); as many as the contracts have


def warning(service: Service, method: Method, function: ClientMethod, told: Told) -> ClientMethod:
    """`function`, with a warning where it is called if the contract says that it should not be, or not with that.

    For a method Python's own filters make it one warning per call site. A field warns the first time that this node
    sets it: from then on the arguments are looked at for the others only, and not at all once all have been told.
    `told` is this node's, for all its clients.
    """
    finder = finder_of(service, method)
    reason = method.policy.deprecated
    if (finder is None and reason is None) or method.oneway:
        return function
    wire_name = method.wire_name
    itself = None if reason is None else f"{wire_name} is deprecated: {reason}"
    names = tuple(parameter.name for parameter in method.parameters)
    untold = {what for what in finder.all if (wire_name, what.name) not in told} if finder is not None else set()

    def warn(args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if itself is not None:
            if (wire_name, "") not in told:
                told.add((wire_name, ""))
                log.warning("deprecated method called: %s: %s", wire_name, reason)
            _warn(itself)
        if untold and finder is not None:
            given = (*args, *(named.get(name) for name in names[len(args) :]))
            for what in untold.intersection(finder(given)):
                untold.discard(what)
                if (wire_name, what.name) not in told:
                    told.add((wire_name, what.name))
                    log.warning("deprecated field set: %s in %s: %s", what.name, wire_name, what.reason)
                _warn(f"{what.name}, set in a call of {wire_name}, is deprecated: {what.reason}")

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Awaitable[Any]:
        warn(args, named)
        return function(*args, **named)

    vars(call)[WARN] = warn
    return call


def _warn(text: str) -> None:
    """At the frame of who wrote the call: the first that is not ours."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("mesh."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, DeprecationWarning, stacklevel=level)
