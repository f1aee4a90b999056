"""The debug mark: a call that a person follows with a debugger, and that therefore has all the time of the day.

One rule: the mark is a wish, and it counts only in a process that was started in debug mode (`MESH_DEBUG`, which `mesh
dev --debug` sets). Anybody may send it; in production it does nothing.

It travels as baggage, so that the whole tree below a marked call is marked. What ends or refuses a call because of time
or of earlier failures (deadlines; breakers and ejection too) asks `marked` first, where debug mode is on:

    with debug.mark():
        await client.quote(...)        # waits for as long as somebody stands at a breakpoint
"""

from __future__ import annotations

from mesh.call.call import Call
from mesh.call.context import Scope, baggage

KEY = "mesh-debug"
# A ttl has to stand on the wire. A day is longer than anybody looks at one call, and far below the field's 49 days.
CALL_S = 24 * 3600.0


def mark() -> Scope:
    """Calls made inside, and all that are made because of them, carry the mark."""
    return baggage({KEY: "1"})


def marked(call: Call) -> bool:
    """Whether `call` carries the mark. Ask only where debug mode is on."""
    return KEY in call.baggage
