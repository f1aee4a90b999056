"""One instance under supervision: started, watched, restarted when it crashes, given up visibly.

One rule: `run` is the only place that starts the process and the only one that decides what its end means. All others
say what they want (`stop`, `start`, `restart`, `kill`) and wait for the state.
"""

from __future__ import annotations

import asyncio
import enum
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.cluster.guard import Guard
from mesh.cluster.output import Output
from mesh.cluster.plan import ClusterConfig
from mesh.cluster.ports import HOST, Ports
from mesh.cluster.probes import Probe
from mesh.cluster.process import Process, describe_exit
from mesh.cluster.restarts import Restarts
from mesh.discovery.address import format_address

# A starting process is asked ten times a second, so that a start is seen at once; a ready one every second.
STARTING_POLL_S = 0.1
READY_POLL_S = 1.0
# Ends that another start cannot better. 78 is EX_CONFIG of sysexits.h, which `mesh.run` ends with on a ConfigError and
# a program in any language may; 127 is what `launch` and shells say.
HOPELESS = {78: "its configuration is wrong", 127: "its command cannot be run"}
UNREADY_AFTER = 2  # refusals in a row: one may be a garbage collection or a full processor


class State(enum.StrEnum):
    """`failed` is given up: too many crashes, and only `start` or `restart` brings it back."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    BACKOFF = "back-off"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run. `fds` are inherited under the same numbers."""

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    fds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """An instance before it has ports. `launch` and `probe` get its `ports`: RPC first, admin second.

    `id` is its place and stays; `name` is what this process is called in the registry (default: the id). Two processes
    are in one place for as long as one takes over from the other, and a registry holds one entry a name. `plan` is the
    one that it was made by; None for what belongs to no service and cannot be replaced.
    """

    id: str
    service: str
    ports: int
    drain_s: float
    launch: Callable[[tuple[int, ...]], Launch]
    probe: Callable[[tuple[int, ...]], Probe]
    has_admin: bool = True  # whether the second port is an admin side, with /metrics
    name: str = ""
    number: int = 0  # of the service's instances, from 1
    plan: ClusterConfig | None = None
    host: str = HOST  # where this machine reaches its ports


@dataclass(slots=True)
class Usage:
    """What it does at the moment; None where unknown."""

    calls_per_s: float | None = None
    p99_ms: float | None = None
    cpu: float | None = None  # processors in use, 1.0 is one
    rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An instance went from one state to another. `detail` is one line, `tail` the last lines it printed."""

    at: float  # seconds since the epoch
    id: str
    service: str
    state: State
    pid: int
    detail: str = ""
    tail: tuple[str, ...] = field(default=())


class Instance:
    """Runs until `stop`; `changed` is called on the loop with every change of state.

    On `trial` it has one life: its first end is its last, FAILED, without a back-off (see `replace`).
    """

    def __init__(
        self,
        spec: Spec,
        *,
        ports: Ports,
        guard: Guard,
        restarts: Restarts,
        output: Output,
        changed: Callable[[Change], None],
        trial: bool = False,
    ) -> None:
        self.spec = spec
        self.trial = trial
        self.state = State.WAITING
        self.pid = 0
        self.restarts = 0
        self.started_at: float | None = None  # seconds since the epoch; None while nothing runs
        self.detail = ""
        self.ports: tuple[int, ...] = ()
        self.usage = Usage()
        self._allocator = ports
        self._guard = guard
        self._policy = restarts
        self._output = output
        self._changed = changed
        self._process: Process | None = None
        self._wanted = asyncio.Event()
        self._nudged = asyncio.Event()  # ends a back-off before its time
        self._parked = asyncio.Event()  # nothing runs and nothing is about to
        self._parked.set()
        self._again = False  # the next end is a restart that somebody asked for
        self._last_words: tuple[str, ...] = ()
        self._ports_proven = False  # it was ready with them, so they were its own

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str:
        """What the process is called in the registry."""
        return self.spec.name or self.spec.id

    @property
    def service(self) -> str:
        return self.spec.service

    @property
    def listen(self) -> str:
        return format_address(self.spec.host, self.ports[0]) if self.ports else ""

    @property
    def admin(self) -> str:
        return format_address(self.spec.host, self.ports[1]) if self.ports and self.spec.has_admin else ""

    @property
    def wanted(self) -> bool:
        """Whether it should be running."""
        return self._wanted.is_set()

    def tail(self) -> list[str]:
        """The last lines that it printed."""
        return self._output.tail()

    def start(self) -> None:
        """Wants it running; a history of crashes is forgotten."""
        self._policy.forget()
        self._parked.clear()
        if self.state in (State.STOPPED, State.FAILED):
            self._to(State.WAITING)
        self._wanted.set()
        self._nudged.set()

    async def stop(self) -> None:
        """SIGTERM, its drain time, SIGKILL; returns when it has ended."""
        self._unwant()
        if self._process is not None:
            self._to(State.STOPPING)
            await self._process.stop(self.spec.drain_s)
        await self._parked.wait()

    async def restart(self) -> None:
        """Stops it in good order and wants it running again. Waits for the end, not for the new start."""
        self._again = self._process is not None
        self.start()
        if self._process is not None:
            self._to(State.STOPPING)
            await self._process.stop(self.spec.drain_s)

    async def kill(self, *, hold: bool) -> None:
        """SIGKILL to all of it. A crash like any other, unless `hold` keeps it down until `start`."""
        if hold:
            self._unwant()
        if self._process is not None:
            self._process.signal_group(signal.SIGKILL)
            await self._process.wait()
        if hold:
            await self._parked.wait()

    def kill_at_once(self) -> None:
        """SIGKILL and no waiting: for a person who pressed Ctrl-C twice."""
        if self._process is not None:
            self._process.signal_group(signal.SIGKILL)

    def give_back(self) -> None:
        """Gives its ports back; for one that has ended for good."""
        self._allocator.give_back(*self.ports)
        self.ports = ()

    async def run(self) -> None:
        """Supervises until cancelled; then kills what still runs."""
        try:
            while True:
                if not self.wanted:
                    await self._park()
                code = await self._live()
                await self._ended(code)
        finally:
            if self._process is not None:
                self._process.signal_group(signal.SIGKILL)
            self._parked.set()
            self._output.close()

    async def _park(self) -> None:
        if self.state not in (State.WAITING, State.FAILED):
            self._to(State.STOPPED)
        self._parked.set()
        await self._wanted.wait()

    async def _live(self) -> int | None:
        """One life, from start to end. Returns its exit code, None if there was no start."""
        self._output.clear_tail()
        probing: asyncio.Task[None] | None = None
        try:
            if not self.ports:
                self.ports = tuple(self._allocator.take() for _ in range(self.spec.ports))
            launch = self.spec.launch(self.ports)
            self._process = process = await Process.start(
                self.name,
                launch.command,
                env=launch.env,
                cwd=launch.cwd,
                output=self._output,
                guard=self._guard,
                fds=launch.fds,
            )
            self.pid, self.started_at = process.pid, time.time()
            self._to(State.STARTING)
            if not self.wanted:  # stopped while it was being started
                return await process.stop(self.spec.drain_s)
            probing = asyncio.create_task(self._watch(self.spec.probe(self.ports)), name=f"probe {self.id}")
            return await process.wait()
        except OSError as error:
            self.detail = f"cannot be started: {error}"
            return None
        finally:
            if probing is not None:
                probing.cancel()
            self.usage = Usage()

    async def _ended(self, code: int | None) -> None:
        left_behind = self._process.left_behind if self._process is not None else 0
        self._process, self.pid, self.started_at = None, 0, None
        if not self.wanted:
            return
        reason = describe_exit(code) if code is not None else self.detail
        if self.trial:
            self._give_up(reason)
            return
        if self._again:
            self._again = False
            self.restarts += 1
            return
        if not self._ports_proven:  # perhaps somebody else took a port in the same moment
            self._allocator.give_back(*self.ports)
            self.ports = ()
        if left_behind:
            reason += f", {left_behind} processes left behind were killed"
        if code in HOPELESS:
            self._give_up(f"{reason}; given up at once: {HOPELESS[code]}")
            return
        delay_s = self._policy.crashed(time.monotonic())
        if delay_s is None:
            self._give_up(f"{reason}; given up after {self._policy.recent} crashes in a short time")
            return
        self._to(State.BACKOFF, f"{reason}; starts again in {delay_s * 1000:.0f} ms", self._news())
        self.restarts += 1
        self._nudged.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self._nudged.wait()
        except TimeoutError:
            pass

    def _give_up(self, reason: str) -> None:
        self._unwant()
        self._to(State.FAILED, reason, tuple(self._output.tail()))

    def _news(self) -> tuple[str, ...]:
        """The last lines, unless the crash before ended with the same one: five stacks in a row hide the first."""
        tail = tuple(self._output.tail())
        last, self._last_words = self._last_words, tail[-1:]
        return () if tail[-1:] == last else tail

    async def _watch(self, probe: Probe) -> None:
        refusals = 0
        while True:
            why_not = await probe()
            if self.state is State.STOPPING:
                return
            refusals = refusals + 1 if why_not else 0
            if not why_not:
                self._ports_proven = True
                self._to(State.READY)
            elif self.state is State.STARTING:
                self.detail = why_not
            elif refusals >= UNREADY_AFTER:
                self._to(State.UNREADY, why_not)
            await asyncio.sleep(STARTING_POLL_S if self.state is State.STARTING else READY_POLL_S)

    def _unwant(self) -> None:
        self._wanted.clear()
        self._nudged.set()

    def _to(self, state: State, detail: str = "", tail: tuple[str, ...] = ()) -> None:
        self.detail = detail
        if state is self.state:
            return
        self.state = state
        self._changed(Change(time.time(), self.id, self.service, state, self.pid, detail, tail))
