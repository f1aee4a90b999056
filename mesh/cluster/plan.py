"""`cluster.toml` as frozen dataclasses: which services a dev cluster runs, and how.

One rule: ports, data and the default name are not in it, so that the same file serves two checkouts at the same time.
"""

from __future__ import annotations

import enum
import os
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mesh.cluster import dotenv, environment, overlay
from mesh.config import ConfigError, build
from mesh.config.builder import nearest

CONSUL_ID = "consul"  # the agent's place among the instances; no service may be called so
MAX_INSTANCES = 64  # of a service: a port range and a screen
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # a folder, a log file and a part of an environment variable
_PLACES = re.compile(r"\{(\w*)\}")
PLACEHOLDERS = ("python", "listen", "host", "port", "admin", "admin_port", "data_dir", "instance", "registry")


class Ready(enum.StrEnum):
    """How the supervisor sees that an instance can take traffic."""

    HEALTH = "health"  # GET /health on the admin port answers 200 and {"ready": true}
    TCP = "tcp"  # the RPC port accepts connections: for programs that are no mesh nodes


def check_name(name: str) -> None:
    """Raises ValueError unless `name` can name a cluster, a service or a shared port."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: 1 to 40 letters, digits, - and _, a letter or digit first")


def _check_command(command: tuple[str, ...]) -> None:
    for place in _PLACES.findall(" ".join(command)):
        if place and place not in PLACEHOLDERS:
            raise ValueError(f"unknown placeholder {{{place}}}; known: {', '.join(PLACEHOLDERS)}")


def _check_env(env: Mapping[str, str]) -> None:
    environment.check(env)
    for name, value in env.items():
        if "\0" in value:
            raise ValueError(f"{name} has a zero byte, which no environment can hold")


def _env() -> Any:
    return field(default_factory=dict, repr=False, metadata={"check": _check_env, "hidden": True})


def _between(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"at_least": low, "at_most": high})


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service. `command` may hold placeholders ({python}, {listen}, {port}, {data_dir}, ...); the default is
    `{python} -m services.NAME`. Every instance also finds all of it in its environment (see `environment`).
    """

    instances: int = field(default=1, metadata={"at_least": 0, "at_most": MAX_INSTANCES})
    command: tuple[str, ...] = field(default=(), metadata={"check": _check_command})
    env: Mapping[str, str] = _env()
    ready: Ready = Ready.HEALTH
    register: bool = False  # for programs that enter themselves in no registry
    shared_ports: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()  # files and folders whose change reloads it too (`mesh dev`), relative to cluster.toml
    cwd: str = "."  # relative to cluster.toml
    # Longer than a node's own drain_ms (10 s) and settle_ms together: whoever drains properly is never killed.
    drain_s: float = _between(12.0, 0.0, 600.0)

    def __post_init__(self) -> None:
        for name in self.shared_ports:
            check_name(name)
        if len(set(self.shared_ports)) != len(self.shared_ports):
            raise ValueError("shared_ports names the same port twice")

    def command_of(self, service: str) -> tuple[str, ...]:
        return self.command or ("{python}", "-m", f"services.{service}")


@dataclass(frozen=True, slots=True)
class ConsulConfig:
    """`enabled = false` (or `mesh up --no-consul`): the peers file serves as the registry.

    With `join` no agent is started: these, of one shared cluster, are asked instead. A token never stands here.
    """

    enabled: bool = True
    join: tuple[str, ...] = ()  # [https://]HOST[:PORT], the nearest first
    token_file: str = ""  # relative to cluster.toml, as is ca_file
    ca_file: str = ""

    def __post_init__(self) -> None:
        if any("@" in address for address in self.join):
            raise ValueError("join: a token or password does not belong into an address; use MESH_CONSUL_TOKEN")
        if self.join and not self.enabled:
            raise ValueError("join names a Consul and enabled = false wants none: state one of the two")
        if not self.join and (self.token_file or self.ca_file):
            raise ValueError("token_file and ca_file are for a Consul that others run: they go with join")


@dataclass(frozen=True, slots=True)
class RestartConfig:
    """Back-off between restarts, and when to give up: `crashes` within `window_s`."""

    first_ms: int = field(default=200, metadata={"at_least": 1, "at_most": 60_000})
    max_ms: int = field(default=10_000, metadata={"at_least": 1, "at_most": 600_000})
    # Five in a minute: with the delays above a broken build has given up after 4 s, while a process that
    # somebody kills now and then always comes back.
    crashes: int = field(default=5, metadata={"at_least": 1, "at_most": 1000})
    window_s: float = _between(60.0, 1.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The whole file."""

    name: str = ""
    env: Mapping[str, str] = _env()
    consul: ConsulConfig = ConsulConfig()
    restart: RestartConfig = RestartConfig()
    services: Mapping[str, ServiceConfig] = field(default_factory=dict)
    advertise: str = ""  # an address or an interface of this machine; with `join` only
    # Until every instance is ready. Python and its imports take a second on an idle machine; all start at once.
    ready_timeout_s: float = _between(60.0, 0.1, 3600.0)

    def __post_init__(self) -> None:
        if self.name:
            check_name(self.name)
        for name in self.services:
            check_name(name)
        if CONSUL_ID in self.services:
            raise ValueError("a service cannot be called consul: that is the agent's own place")
        object.__setattr__(self, "services", MappingProxyType(dict(self.services)))

    def without_consul(self) -> ClusterConfig:
        return replace(self, consul=ConsulConfig(enabled=False))

    def joining(self, addresses: tuple[str, ...], advertise: str = "") -> ClusterConfig:
        """The same beside others on a shared Consul; what is empty stays as the file has it. Raises ConfigError."""
        try:
            consul = replace(self.consul, enabled=True, join=addresses) if addresses else self.consul
        except ValueError as error:
            raise ConfigError(f"--join: {error}") from None
        return replace(self, consul=consul, advertise=advertise or self.advertise)

    def only(self, names: Collection[str]) -> ClusterConfig:
        """The plan with these services alone. Raises ConfigError for a name that it does not have."""
        for name in names:
            if name not in self.services:
                near = nearest(name, self.services)
                hint = f"did you mean {near!r}?" if near else f"it has {', '.join(self.services)}"
                raise ConfigError(f"there is no service {name!r} in the plan; {hint}")
        kept = {name: service for name, service in self.services.items() if name in names}
        return replace(self, services=kept)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a plan comes from, so that it can be read again while the cluster runs.

    `overlays` as in `overlay`. `outer` is the environment of the supervisor: what stands there wins over .env.
    """

    path: Path
    overlays: tuple[str, ...] = ()
    alter: Callable[[ClusterConfig], ClusterConfig] = lambda config: config  # what the command line says
    outer: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def read(self) -> ClusterConfig:
        """The plan. Raises ConfigError with the file, the key and what would have been right."""
        return self.alter(load(self.path, self.overlays, self.outer))


def load(path: Path, overlays: Sequence[str] = (), outer: Mapping[str, str] | None = None) -> ClusterConfig:
    """The plan in `path` with `overlays` and the .env beside it. Raises ConfigError.

    The variables of .env become the lowest layer of `env`, but for those that `outer` (default: this process's
    environment) has: those are passed on as they are.
    """
    outer = os.environ if outer is None else outer
    mapping = _table(path)
    config = build(ClusterConfig, mapping, str(path))
    for file in overlay.paths(path, overlays):
        mapping = overlay.merged(mapping, _table(file), str(file))
        config = build(
            ClusterConfig, mapping, str(file)
        )  # what was right below it and is wrong now is so because of it
    beside = path.parent / dotenv.FILE
    given = dotenv.read(beside, outer)
    try:
        environment.check(given)
    except ValueError as error:
        raise ConfigError(f"{beside}: {error}") from None
    below = {name: value for name, value in given.items() if name not in outer}
    return replace(config, env=MappingProxyType({**below, **config.env}))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; docs/cluster.md says what stands in it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no valid TOML: {error}") from None


def default_name(directory: Path) -> str:
    """The cluster's name where nobody gave one: the checkout's folder, made fit for a name."""
    fit = re.sub(r"[^A-Za-z0-9_-]+", "-", directory.resolve().name).strip("-_")
    return fit[:40] or "cluster"


def fill(command: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """`command` with its placeholders filled in; `{python}` is the interpreter that runs this."""
    known = {"python": sys.executable, **values}
    return [_PLACES.sub(lambda found: known.get(found[1], found[0]), word) for word in command]
