"""Who meets whom while two contracts are in use, and so: who reads what the other wrote.

One rule: every verdict about the wire is about a flow, a message of one side read by the other.

Old callers expect that a new server takes everything that the old contract allows, and answers nothing that it does
not. New callers and an old server meet when callers go first, or when the server is rolled back; then what is new in a
request is the caller's own choice (it uses a new enum value, or no longer fills a field that became optional), as with
a new method: it can wait for the server. Such flows are `lenient`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Role(enum.IntFlag):
    """Where a type travels."""

    REQUEST = 1
    RESPONSE = 2  # results and declared exceptions
    BOTH = 3


class Pairing(enum.StrEnum):
    """Whose the new contract is."""

    EITHER = "either"  # a rollout in any order, rollbacks included
    SERVER = "server"  # old callers, new server
    CALLER = "caller"  # new callers, old server


@dataclass(frozen=True, slots=True)
class Flow:
    role: Role
    new_writes: bool  # the writer has the new contract and the reader the old one, or the reverse
    lenient: bool
    refusal: str  # what happens when the reader cannot read it


_OLD_CALLER = (
    Flow(Role.REQUEST, False, False, "a new server refuses requests of old callers"),
    Flow(Role.RESPONSE, True, False, "old callers refuse answers of a new server"),
)
_NEW_CALLER = (
    Flow(Role.REQUEST, True, False, "an old server refuses requests of new callers"),
    Flow(Role.RESPONSE, False, False, "new callers refuse answers of an old server"),
)
_FLOWS = {
    Pairing.SERVER: _OLD_CALLER,
    Pairing.CALLER: _NEW_CALLER,
    Pairing.EITHER: (
        *_OLD_CALLER,
        Flow(Role.REQUEST, True, True, "an old server refuses requests of new callers"),
        _NEW_CALLER[1],
    ),
}


class Flows:
    """The flows of one type or method."""

    def __init__(self, pairing: Pairing, role: Role) -> None:
        self._flows = tuple(flow for flow in _FLOWS[pairing] if flow.role & role)

    def forward(self) -> str | None:
        """What happens when the new contract refuses what the old one writes; None when nobody meets so."""
        return _refusal(flow for flow in self._flows if not flow.new_writes)

    def backward(self, *, by_choice: bool) -> str | None:
        """The reverse. `by_choice`: a new caller may leave what is refused for later."""
        return _refusal(flow for flow in self._flows if flow.new_writes and not (by_choice and flow.lenient))

    def any(self) -> str | None:
        return self.forward() or self.backward(by_choice=False)


def _refusal(flows: Iterable[Flow]) -> str | None:
    return next((flow.refusal for flow in flows), None)
