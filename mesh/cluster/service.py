"""A service's instances: what each is started with and how it is asked whether it is ready.

One rule: everything is worked out at the start of each life, because an instance may get other ports in its next one;
but for the plan, which is that of the moment when the instance was made, so that a crash brings back what ran before.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from mesh.cluster import environment, plan, probes
from mesh.cluster.instance import Launch, Spec
from mesh.cluster.place import Place
from mesh.cluster.plan import ClusterConfig, Ready
from mesh.cluster.rundir import RunDirectory
from mesh.discovery.address import format_address


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all services of a cluster start in. `registry` is asked for when an instance starts."""

    directory: Path
    run: RunDirectory
    http: AsyncHTTPClient
    registry: Callable[[], str]
    place: Place


def spec(
    around: Surroundings,
    cluster: ClusterConfig,
    service: str,
    number: int,
    sockets: Mapping[str, socket.socket],
    name: str = "",
) -> Spec:
    """Instance `number` of `service`, as the plan `cluster` has it; `sockets` are its shared listening ports by name.

    `name` is what it is called in the registry, if that is not its id.
    """
    config = cluster.services[service]
    id = f"{service}-{number}"

    def launch(ports: tuple[int, ...]) -> Launch:
        data_dir, state_file = around.run.data_of(service), around.run.state_file
        own = environment.contract(service, name or id, ports, around.registry(), data_dir, state_file, around.place)
        fds = {environment.fd_variable(port): str(shared.fileno()) for port, shared in sockets.items()}
        return Launch(
            command=plan.fill(config.command_of(service), environment.placeholders(own)),
            env={**environment.inherited(os.environ), **cluster.env, **config.env, **own, **fds},
            cwd=around.directory / config.cwd,
            fds=tuple(int(fd) for fd in fds.values()),
        )

    def probe(ports: tuple[int, ...]) -> probes.Probe:
        if config.ready is Ready.TCP:
            return probes.tcp(around.place.reach, ports[0])
        return probes.health(around.http, format_address(around.place.reach, ports[1]))

    host = around.place.reach
    return Spec(id, service, 2, config.drain_s, launch, probe, name=name, number=number, plan=cluster, host=host)
