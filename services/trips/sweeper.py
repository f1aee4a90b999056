"""Sweeps for trips that were left over, as long as the node stands: at the start (a crash may have left some), then
again and again.
"""

from __future__ import annotations

import asyncio
import logging

from services.trips.service.settling import Settling

log = logging.getLogger(__name__)

PAUSE_S = 1.0


class Sweeper:
    """An async context manager for `node.attach`."""

    def __init__(self, settling: Settling, pause_s: float = PAUSE_S) -> None:
        self._settling = settling
        self._pause_s = pause_s

    async def __aenter__(self) -> Sweeper:
        self._task = asyncio.create_task(self._sweep(), name="trips-sweeper")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _sweep(self) -> None:
        while True:
            try:
                settled = await self._settling.sweep()
            except Exception:
                log.exception("sweeping failed; trying again in %g s", self._pause_s)
            else:
                if settled:
                    log.info("settled %d trips that had been left over", settled)
            await asyncio.sleep(self._pause_s)
