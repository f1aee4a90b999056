"""Finds out that the other host is gone, where the protocol has no ping: TCP's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from mesh.wire import Limits

PROBES = 3  # that may stay unanswered: one lost packet ends no connection


def keep_alive(transport: asyncio.BaseTransport, limits: Limits) -> None:
    """As soon as a TChannel connection would be asked, and as long as its answer may take."""
    raw = transport.get_extra_info("socket")
    if raw is None:  # a network in memory
        return
    with contextlib.suppress(OSError):  # gone already: that is told elsewhere
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", limits.idle_s),
            ("TCP_KEEPINTVL", limits.pong_s / PROBES),
            ("TCP_KEEPCNT", PROBES),
        ):
            option = getattr(socket, name, None)  # not every system has all of them
            if option is not None:
                raw.setsockopt(socket.IPPROTO_TCP, option, max(1, int(value)))
