"""What is patient in a node in debug mode, because a debugger stops a whole process: its loop, its pings, its health.

One rule: only waiting is longer. A peer that is gone, rather than stopped, closes its sockets and is noticed as ever.

Of what was looked at, these end a call or an entry of a stopped process, and wait for a day instead:

    handshake_s, CONNECT_S   a dial to a stopped process: the kernel accepts, nobody answers
    idle_s, pong_s           a mesh peer that answers no ping is given up with the calls on its connection
    call_s                   the longest that the wire keeps a call, whatever its ttl
    Consul's HTTP check      critical after 3 s, thrown out of the registry after a minute; a dead process still
                             refuses the check's connection at once

Left as they are: the admin side's timeouts (nobody's call), and `assembling_s` (a half-sent message of a stopped peer
is dropped after two minutes: only one of many frames can be cut in half).
"""

from __future__ import annotations

import dataclasses
import logging

from mesh.call.debug import CALL_S
from mesh.wire import Limits

log = logging.getLogger("mesh.node")


def patient(limits: Limits) -> Limits:
    """`limits` with a day for whatever a stopped process leaves unanswered."""
    return dataclasses.replace(
        limits, handshake_s=CALL_S, idle_s=CALL_S, pong_s=CALL_S, call_s=max(CALL_S, limits.call_s)
    )


def warn(name: str) -> None:
    log.warning("%s is in debug mode: calls that carry the debug mark have no deadline here", name)
