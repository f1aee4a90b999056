"""A call and what stands around it: Call, Reply, Service, Filter, Stack, context, clock. Pure."""

from mesh.call.call import OK, Call, Declared, Driver, Filter, Ok, Outcome, Reply, Service, outcome_label
from mesh.call.clock import Clock, LoopClock, Timer
from mesh.call.context import Context, baggage, current, current_or_none, deadline, headers, tracing
from mesh.call.stack import Layer, Stack, apply
from mesh.call.timers import Entry, Expiry, TimerWheel
from mesh.call.trace import Trace

__all__ = [
    "OK", "Call", "Clock", "Context", "Declared", "Driver", "Entry", "Expiry", "Filter", "Layer", "LoopClock", "Ok",
    "Outcome", "Reply", "Service", "Stack", "Timer", "TimerWheel", "Trace", "apply", "baggage", "current",
    "current_or_none", "deadline", "headers", "outcome_label", "tracing",
]  # fmt: skip
