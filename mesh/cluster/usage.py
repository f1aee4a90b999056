"""What each instance does at the moment: calls per second, p99, processors, memory.

One rule: it only looks. An instance that does not answer has no figures, and nothing else follows from that.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable

import psutil
from tornado.httpclient import AsyncHTTPClient

from mesh.cluster import metrics
from mesh.cluster.instance import Instance, State
from mesh.cluster.probes import fetch

# A p99 of a second's calls jumps about; parsing costs milliseconds per instance, so not more often either.
INTERVAL_S = 2.0


class UsageMeter:
    """Fills `Instance.usage` every two seconds while `run` runs."""

    def __init__(self, http: AsyncHTTPClient, instances: Callable[[], Iterable[Instance]]) -> None:
        self._http = http
        self._instances = instances
        self._readings: dict[int, metrics.Reading] = {}  # by pid, as are the processor seconds
        self._cpu: dict[int, tuple[float, float]] = {}

    async def run(self) -> None:
        while True:
            running = [instance for instance in self._instances() if instance.pid]
            self._forget({instance.pid for instance in running})
            self._processes(running)
            await asyncio.gather(*(self._calls(one) for one in running if one.admin and one.state is State.READY))
            await asyncio.sleep(INTERVAL_S)

    async def _calls(self, instance: Instance) -> None:
        pid = instance.pid
        code, body = await fetch(self._http, f"http://{instance.admin}/metrics")
        if code != 200 or instance.pid != pid:
            return
        try:
            new = metrics.read(body.decode("utf-8", "replace"), time.monotonic())
        except (ValueError, IndexError):
            return  # not Prometheus' format: a foreign program's own page
        old = self._readings.get(pid)
        self._readings[pid] = new
        if old is not None:
            instance.usage.calls_per_s = metrics.calls_per_s(old, new)
            instance.usage.p99_ms = metrics.quantile_ms(old, new, 0.99)

    def _processes(self, running: list[Instance]) -> None:
        """Processor and memory of everything in the instance's session, not only of its first process."""
        sums = {instance.pid: [0.0, 0] for instance in running}
        for pid in psutil.pids():
            try:
                leader = os.getsid(pid)
                if leader not in sums:
                    continue
                process = psutil.Process(pid)
                times = process.cpu_times()
                sums[leader][0] += times.user + times.system
                sums[leader][1] += process.memory_info().rss
            except (OSError, psutil.Error):
                continue
        now = time.monotonic()
        for instance in running:
            seconds, rss = sums[instance.pid]
            before = self._cpu.get(instance.pid)
            self._cpu[instance.pid] = (now, seconds)
            instance.usage.rss_bytes = int(rss) or None
            if before is not None and now > before[0]:
                instance.usage.cpu = max(0.0, seconds - before[1]) / (now - before[0])

    def _forget(self, pids: set[int]) -> None:
        for known in (self._readings, self._cpu):
            for pid in known.keys() - pids:
                del known[pid]
