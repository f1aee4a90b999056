"""A dev cluster: Consul and every service's instances, started, watched and stopped in order.

No process library serves here: honcho and supervisor give up ports, readiness and asyncio to their own loops and
files, circus drives its watchers over ZeroMQ, and none of the three takes down the grandchildren of a supervisor that
was killed; psutil and asyncio's subprocesses do the parts of the work that are the same everywhere.

One rule: whoever asks for something waits for the state, never for a time. The order of a stop: services with shared
ports (the doors), the other services, Consul; then the keeper looks for what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tornado.httpclient import AsyncHTTPClient

from mesh.cluster import consul, plan, probes, report
from mesh.cluster.changes import Changes, Listener
from mesh.cluster.control import Control, Handler
from mesh.cluster.foreign import Foreign
from mesh.cluster.guard import Guard
from mesh.cluster.instance import Change, Instance, Spec, State
from mesh.cluster.orphans import Orphans
from mesh.cluster.output import LogFile, Output
from mesh.cluster.place import ALONE
from mesh.cluster.plan import ClusterConfig, ServiceConfig
from mesh.cluster.ports import Ports
from mesh.cluster.replace import Replaced, replace
from mesh.cluster.restarts import Restarts
from mesh.cluster.roster import Roster, stop_all
from mesh.cluster.rundir import ClusterError, RunDirectory
from mesh.cluster.service import Surroundings
from mesh.cluster.service import spec as service_spec
from mesh.cluster.usage import UsageMeter
from mesh.discovery.address import format_address
from mesh.discovery.agent import ConsulUnavailable

CONSUL_READY_S = 30.0  # a dev agent has a leader after 3 s at the most where nothing else runs
KEEPER_CHECK_S = 1.0


class Cluster:
    """`async with Cluster(config, directory) as cluster: await cluster.ready()`.

    `directory` is where cluster.toml stands: commands run there and `.mesh/NAME/` is made there. `name` wins over the
    file's and over the folder's own. `adopt` makes this whole process the parent of orphans (see `orphans`). `answer`
    opens the control socket, from before the first instance until after the last (see `control`). `say` gets a line for
    people now and then. Entering raises ClusterError when the name is taken or Consul does not start. Start
    it from the main thread (see `launch`).
    """

    def __init__(
        self,
        config: ClusterConfig,
        directory: Path,
        *,
        name: str = "",
        rng: random.Random | None = None,
        adopt: bool = False,
        answer: Handler | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.config = config
        self.directory = directory.resolve()
        self.name = name or config.name or plan.default_name(directory)
        self.run_id = secrets.token_hex(8)
        self.registry = ""
        self.place = ALONE
        self.shared: dict[str, dict[str, str]] = {}
        self._rng = rng or random.Random()
        self._say = say
        self._adopt = adopt
        self._answer = answer
        self.stopping = False
        self.begun = False  # the registry is there, and every instance was told to start
        self._programs: set[int] = set()
        self._foreign: Foreign | None = None
        self._run = RunDirectory(self.directory, self.name)
        self._ports = Ports(self._rng)
        self._log_files: dict[str, LogFile] = {}
        self._plans: dict[str, ClusterConfig] = {}
        self._sockets: dict[str, dict[str, socket.socket]] = {}
        self._supervisor = Output(LogFile(self._run.logs / "supervisor.log"))
        self._changes = Changes(self._write_state)
        self._changes.subscribe(lambda change: self._record(report.describe(change)))
        self._roster = Roster(self.name, self._make, self._changes.broke)
        self._resources = contextlib.AsyncExitStack()
        self._guard: Guard
        self._http: AsyncHTTPClient
        self._around: Surroundings

    # What there is.

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All of them, Consul first."""
        return self._roster.placed

    def instance(self, id: str) -> Instance:
        """Raises LookupError with those that there are."""
        return self._roster.find(id)

    def of(self, service: str) -> list[Instance]:
        """A service's instances, by number."""
        return self._roster.of(service)

    @property
    def beside(self) -> tuple[Instance, ...]:
        """Those on trial in somebody's place, and those that drain."""
        return tuple(one for one in self._roster.everyone if one not in self._roster.placed)

    @property
    def state_file(self) -> Path:
        return self._run.state_file

    @property
    def logs(self) -> Path:
        return self._run.logs

    def environment(self) -> dict[str, str]:
        """What a program that uses the cluster needs in its environment (`mesh up --run`)."""
        return {"MESH_STATE": str(self.state_file), "MESH_REGISTRY": self.registry}

    async def run_program(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Starts a user's program in this session, on this terminal, with the way to the cluster in its environment.

        It ends with the cluster at the latest. Raises OSError.
        """
        env = {**os.environ, **self.environment(), **self._guard.mark()}
        program = await asyncio.create_subprocess_exec(*command, env=env)
        self._programs.add(program.pid)
        return program

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` on the loop with every change of an instance's state. Returns the way to stop that."""
        return self._changes.subscribe(listener)

    # What can be asked for.

    async def ready(self, timeout_s: float | None = None) -> None:
        """Waits until every wanted instance is ready. Raises ClusterError with the reasons and the last log lines."""
        limit_s = self.config.ready_timeout_s if timeout_s is None else timeout_s
        try:
            await self.until(lambda: report.failed(self.instances) or all(map(report.settled, self.instances)), limit_s)
        except TimeoutError:
            raise self._failure(f"not ready after {limit_s:g} s") from None
        if report.failed(self.instances):
            raise self._failure("given up")

    async def started(self) -> None:
        """Waits until the registry is there and every instance was told to start; Consul may have to be fetched."""
        await self.until(lambda: self.begun, None)

    async def until(self, condition: Callable[[], bool], timeout_s: float | None) -> None:
        """Waits for a condition on the instances; it is looked at after every change. Raises TimeoutError."""
        await self._changes.until(condition, timeout_s)

    async def restart_instance(self, id: str, timeout_s: float = 60.0) -> None:
        """SIGTERM, its end, a new start; returns when it is ready again. Raises TimeoutError, ClusterError."""
        await self.instance(id).restart()
        await self._until_ready(id, timeout_s)

    async def replace_instance(
        self, id: str, *, config: ClusterConfig | None = None, timeout_s: float | None = None
    ) -> Replaced:
        """A new process in its place, without a gap (see `replace`); as of the plan `config`, by default as of its own.

        Raises ReplaceError when the new one does not become healthy within `timeout_s` (default: ready_timeout_s); the
        old one goes on. LookupError for an instance that there is not, and for Consul's, which cannot be replaced.
        """
        old = self.instance(id)
        config = config or old.spec.plan
        if config is None:
            raise LookupError(f"{id} cannot be replaced: every process was told its address")
        name = self._roster.next_name(id)
        return await replace(
            self._roster,
            self._changes,
            self._spec(config, old.service, old.spec.number, name),
            limit_s=self.config.ready_timeout_s if timeout_s is None else timeout_s,
            findable=self._why_not_findable,
            log=self.logs / f"{id}.log",
        )

    async def stop_instance(self, id: str) -> None:
        """Stops it in good order; it stays down until `start_instance`."""
        await self.instance(id).stop()

    async def start_instance(self, id: str, timeout_s: float = 60.0) -> None:
        """Starts what was stopped, held or given up; returns when it is ready. Raises TimeoutError, ClusterError."""
        self.instance(id).start()
        await self._until_ready(id, timeout_s)

    async def kill(self, id: str, *, hold: bool = False) -> None:
        """SIGKILL. It is restarted like after any crash, unless `hold`: then it stays down until `start_instance`."""
        await self.instance(id).kill(hold=hold)

    async def add_instance(self, service: str, timeout_s: float = 60.0) -> str:
        """One more instance of a service of the plan; returns its id when it is ready."""
        if service not in self.config.services:
            raise LookupError(f"no service {service!r} in the plan; it has {', '.join(self.config.services)}")
        id = self._add_service_instance(service).id
        await self.start_instance(id, timeout_s)
        return id

    def add_on_trial(self, service: str) -> Instance:
        """One more instance, started, whose first end is its last. Raises ClusterError when the cluster stops."""
        one = self._add_service_instance(service, trial=True)
        one.start()
        return one

    async def remove_instance(self, id: str) -> None:
        """Stops it in good order, and its place is no more."""
        await self._roster.remove(self.instance(id))

    def follow(self, service: str, config: ClusterConfig) -> None:
        """Instances of `service` that come from now on are as the plan `config` says; those that run stay."""
        self._plans[service] = config
        self.config = dataclasses.replace(
            self.config, services={**self.config.services, service: config.services[service]}
        )

    def kill_all(self) -> None:
        """SIGKILL to everything, at once: what a second Ctrl-C means. Leave the context afterwards."""
        for one in self._roster.everyone:
            one.kill_at_once()

    # From start to end.

    async def __aenter__(self) -> Cluster:
        async with contextlib.AsyncExitStack() as entered:
            await entered.enter_async_context(self._run)
            self._guard = await entered.enter_async_context(Guard(self.run_id, self._run))
            if self._answer is not None:
                await entered.enter_async_context(Control(self._run.path, self._answer))
            self._http = probes.new_http_client()
            entered.callback(self._supervisor.close)
            self._record(f"supervisor {os.getpid()} of the cluster {self.name} begins")
            entered.callback(lambda: self._record("the cluster has stopped"))
            entered.callback(self._http.close)
            entered.callback(lambda: self._ports.close())
            entered.push_async_callback(self._roster.close)
            entered.push_async_exit(self._stop)
            self._write_state()
            await self._start_registry()
            self._around = Surroundings(self.directory, self._run, self._http, lambda: self.registry, self.place)
            if any(service.register for service in self.config.services.values()):
                registry = await entered.enter_async_context(consul.open_with_token(self.registry, self.config.env))
                self._foreign = Foreign(registry, self.place)
                entered.push_async_callback(self._foreign.close)
            for service, config in self.config.services.items():
                self._open_shared(service, config)
                for _ in range(config.instances):
                    self._add_service_instance(service).start()
            self._roster.background("keeper", self._keep_keeper(Orphans(self._guard) if self._adopt else None))
            self._roster.background("usage", UsageMeter(self._http, lambda: self.instances).run())
            self._resources = entered.pop_all()
            self.begun = True
            self._changes.touch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.__aexit__(kind, error, trace)

    async def _stop(self, *exc: object) -> None:
        self.stopping = True
        self._roster.full = True
        services = [one for one in self._roster.everyone if one.id != plan.CONSUL_ID]
        await stop_all(one for one in services if one.service in self._sockets)
        for sockets in self._sockets.values():
            for shared in sockets.values():
                shared.close()  # whoever still waits there learns that nobody comes
        await stop_all(services)
        await stop_all(self._roster.everyone)

    async def _start_registry(self) -> None:
        self.registry = f"file://{self._run.peers_file}"
        if not self.config.consul.enabled:
            return
        if self.config.consul.join:
            joined = await consul.join(self.config, self.directory, self._http)
            self.registry, self.place = joined.url, joined.place
            self._ports = Ports(self._rng, self.place.bind)
            return
        try:
            binary = await consul.find(self._guard)
        except ConsulUnavailable as error:
            self._say(f"{error} The peers file {self._run.peers_file} serves as the registry.")
            return
        self._roster.add(consul.spec(binary, self._http, self._run.path / "consul", self.name))
        try:
            await self.start_instance(plan.CONSUL_ID, CONSUL_READY_S)
        except TimeoutError:
            raise self._failure(f"Consul is not ready after {CONSUL_READY_S:g} s") from None
        self.registry = f"consul://{self.instance(plan.CONSUL_ID).listen}"

    def _open_shared(self, service: str, config: ServiceConfig) -> None:
        if config.shared_ports:
            self._sockets[service] = {name: self._ports.listen() for name in config.shared_ports}
            self.shared[service] = {
                name: format_address(self.place.reach, shared.getsockname()[1])
                for name, shared in self._sockets[service].items()
            }

    def _add_service_instance(self, service: str, *, trial: bool = False) -> Instance:
        number = 1 + max((one.spec.number for one in self._roster.of(service)), default=0)
        return self._roster.add(self._spec(self._plans.get(service, self.config), service, number), trial=trial)

    def _spec(self, config: ClusterConfig, service: str, number: int, name: str = "") -> Spec:
        return service_spec(self._around, config, service, number, self._sockets.get(service, {}), name)

    def _make(self, spec: Spec, *, trial: bool) -> Instance:
        def changed(change: Change) -> None:
            self._changes.happened(change)
            self._register_foreign(change, instance)

        # Two processes in one place write one file; two writers would each turn it over under the other.
        log = self._log_files.setdefault(spec.id, LogFile(self._run.logs / f"{spec.id}.log"))
        instance = Instance(
            spec,
            ports=self._ports,
            guard=self._guard,
            restarts=Restarts(self.config.restart, self._rng),
            output=Output(log),
            changed=changed,
            trial=trial,
        )
        return instance

    async def _keep_keeper(self, orphans: Orphans | None) -> None:
        while True:
            await asyncio.sleep(KEEPER_CHECK_S)
            if orphans is not None:
                orphans.look({self._guard.pid, *self._programs, *(one.pid for one in self._roster.everyone)})
            if self._guard.ensure():
                self._say("the keeper process had died; another one watches now")

    def _register_foreign(self, change: Change, instance: Instance) -> None:
        service = self.config.services.get(change.service)
        if self._foreign is not None and service is not None and service.register:
            self._foreign.follow(change, instance)

    async def _why_not_findable(self, instance: Instance) -> str:
        service = self.config.services[instance.service]
        if self._foreign is not None and service.register:
            return self._foreign.missing(instance)
        if service.ready is plan.Ready.HEALTH:
            return await probes.unregistered(self._http, instance.admin)
        return ""

    def _write_state(self) -> None:
        if not self._run.owned:
            return
        try:
            self._run.write_state(self.state())
        except OSError as error:  # a full disk: the next change tries again, and nothing that runs needs the file
            self._say(f"{self.state_file} cannot be written: {error.strerror}")

    def _record(self, line: str) -> None:
        """For `mesh logs`: what became of the instances, between what they said themselves."""
        self._supervisor.write(line.encode() + b"\n")

    def state(self) -> dict[str, Any]:
        """What state.json holds: enough to find every process, port and the registry from outside."""
        return {
            "name": self.name,
            "pid": os.getpid(),
            "run": self.run_id,
            "keeper": self._guard.pid,
            "registry": self.registry,
            "consul": report.consul_state(self.instances),
            "services": report.services_state(self.instances, self.config.services),
            "shared": self.shared,
        }

    async def _until_ready(self, id: str, timeout_s: float) -> None:
        one = self.instance(id)
        await self.until(lambda: one.state in (State.READY, State.FAILED), timeout_s)
        if one.state is State.FAILED:
            raise self._failure(f"{id} was given up")

    def _failure(self, reason: str) -> ClusterError:
        return ClusterError(report.why_not_ready(f"cluster {self.name}: {reason}", self.instances, self.logs))
