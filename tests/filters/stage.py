"""A stage for filters: a method made by hand, a call to it, and a next service that plays a script."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh.call import OK, Call, LoopClock, Reply, TimerWheel
from mesh.contract.model import Method, Policy
from mesh.errors import MeshError


def method(**policy: Any) -> Method:
    return Method(
        service="Pricing",
        name="quote",
        wire_name="Pricing::quote",
        registry_name="pricing",
        parameters=(),
        result="i64",
        throws=(),
        oneway=False,
        policy=Policy(**policy),
        codec=None,  # type: ignore[arg-type]  # filters never decode
    )


def call(of: Method | None = None, **fields: Any) -> Call:
    return Call(of or method(), b"body", service="pricing", caller="rider", **fields)


class Script:
    """Answers with the given outcomes in turn; the last one for ever. `seen` has every call's state on arrival."""

    def __init__(self, *outcomes: Any, takes_s: float = 0.0) -> None:
        self.outcomes = list(outcomes) or [OK]
        self.takes_s = takes_s
        self.seen: list[dict[str, Any]] = []
        self.cancelled = 0

    async def __call__(self, call: Call) -> Reply:
        self.seen.append({"attempt": call.attempt, "endpoint": call.endpoint, "deadline": call.deadline})
        try:
            if self.takes_s:
                await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, type) and issubclass(outcome, MeshError):
            outcome = outcome("scripted")
        return Reply(outcome, b"answer")


def clock_and_wheel() -> tuple[LoopClock, TimerWheel]:
    clock = LoopClock()
    return clock, TimerWheel(clock)
