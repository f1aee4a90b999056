"""The project: its files, the ports that it wants, its contracts, and what an earlier run left."""

from __future__ import annotations

import errno
import json
import socket
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from mesh.cluster import reach
from mesh.cluster.ports import HIGHEST, LOWEST
from mesh.cluster.protocol import FILE as SOCKET
from mesh.cluster.rundir import FOLDER, STATE
from mesh.config import ConfigError
from mesh.contract import ContractError
from mesh.contract.lint import lint
from mesh.contract.problem import Level as Grave
from mesh.contract.stubfiles import StubState, build_stubs
from mesh.discovery.address import without_secrets
from mesh.doctor.finding import Finding, Patient, fail, ok, warn

CONTRACTS = "idl"  # where mesh new puts them
PORTS_FAIL, PORTS_WARN = 100, 1000  # free ones: an instance takes two, and they are drawn at random
LOCAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def configuration(patient: Patient) -> Finding:
    """The environment's settings and cluster.toml, and whether files with secrets are for their owner alone."""
    try:
        config, plan = patient.config, patient.plan
    except ConfigError as error:
        return fail(str(error), "correct it; docs/configuration.md and docs/cluster.md have every key")
    named = [patient.env.get("MESH_TOKEN_FILE", ""), plan.consul.token_file if plan else ""]
    if config.token is not None and patient.env.get("MESH_CONFIG"):
        named.append(patient.env["MESH_CONFIG"])  # the token may stand in it
    wide = [path for path in named if path and _others_read(patient.folder / path)]
    if wide:
        return warn(f"others can read the token in {', '.join(wide)}", f"chmod 600 {' '.join(wide)}", files=wide)
    services = f"{patient.plan_file} with {len(plan.services)} services" if plan else f"no {patient.plan_file}"
    return ok(
        f"{services}; registry {without_secrets(config.registry or 'none set')}",
        services=len(plan.services) if plan else None,
    )


def _others_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def ports(patient: Patient) -> Finding:
    """The fixed ports of the configuration, and the range that a dev cluster draws from."""
    taken = []
    for setting in ("listen", "admin"):
        address: str | None = getattr(patient.config, setting)
        if address and not address.endswith(":0") and (holder := _holder(address)):
            taken.append(f"{setting} {address} is {holder}")
    if taken:
        return fail("; ".join(taken), "end it, or choose another port (MESH_LISTEN, MESH_ADMIN); 0 takes a free one")
    free = HIGHEST - LOWEST + 1 - len(_listening() & set(range(LOWEST, HIGHEST + 1)))
    what = f"{free} of {HIGHEST - LOWEST + 1} ports from {LOWEST} are free for a dev cluster"
    if free < PORTS_WARN:
        return (fail if free < PORTS_FAIL else warn)(what, f"most of them: {_greediest()}; end it", free=free)
    low = _lowest_ephemeral()
    if low is not None and low <= HIGHEST:
        return warn(
            f"{what}, but the kernel gives outgoing connections ports from {low}",
            "sysctl net.ipv4.ip_local_port_range='32768 60999': one of them may sit on an instance's port",
            free=free,
        )
    return ok(what, free=free)


def _holder(address: str) -> str:
    """Who is in the way of listening there; empty when nobody is."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
            probe.listen(1)
    except PermissionError:
        return "not allowed to this user"
    except OSError as error:
        return (
            f"taken by {_who_listens(int(port))}"
            if error.errno == errno.EADDRINUSE
            else f"impossible: {error.strerror}"
        )
    return ""


def _who_listens(port: int) -> str:
    for connection in _connections():
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            return _named(connection.pid)
    return "a process that is not shown to this user"


def _named(pid: int | None) -> str:
    """By name and pid; never by its command line, which may hold a secret."""
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else "a process that is not shown to this user"
    except psutil.Error:
        return f"pid {pid}"


def _listening() -> set[int]:
    return {one.laddr.port for one in _connections() if one.laddr}


def _greediest() -> str:
    held = Counter(one.pid for one in _connections() if one.laddr and LOWEST <= one.laddr.port <= HIGHEST)
    return _named(held.most_common(1)[0][0]) if held else "nobody that is shown to this user"


def _connections() -> list[Any]:
    try:
        return psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows them to root only
        return []


def _lowest_ephemeral() -> int | None:
    try:
        return int(LOCAL_PORTS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def contracts(patient: Patient) -> Finding:
    """The contracts below `idl/`, and whether their stubs are what they say."""
    folder = patient.folder / CONTRACTS
    if not folder.is_dir():
        return ok(f"no folder {folder}: no contracts to look at", contracts=0)
    try:
        errors = [item for item in lint([folder]) if item.level is Grave.ERROR]
        stubs = [] if errors else list(build_stubs([folder], check=True))
    except ContractError as error:
        return fail(f"{str(error).splitlines()[0]}", f"mesh idl check {folder}")
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", f"mesh idl check {folder}")
    if errors:
        first = f"{errors[0].file}:{errors[0].line}: {errors[0].reason}"
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        return fail(first + more, f"mesh idl check {folder}", errors=len(errors))
    stale = [str(stub.path) for stub in stubs if stub.state is not StubState.FRESH]
    if stale:
        return warn(f"stubs that are not what the contracts say: {', '.join(stale)}", f"mesh idl build {folder}")
    return ok(f"{len(stubs)} contracts, their stubs fresh", contracts=len(stubs))


def run_folders(patient: Patient) -> Finding:
    """`.mesh/NAME` of clusters that run, and of those that were killed and could not clear up."""
    running, stale = [], []
    for folder in sorted((patient.folder / FOLDER).glob("*")):
        if reach.held(folder):  # a mesh up, or its keeper
            running.append(folder.name)
        elif (folder / STATE).exists() or (folder / SOCKET).exists():
            alive = _alive(folder / STATE)
            stale.append(f"{folder} (still running: {', '.join(alive)})" if alive else str(folder))
    if stale:
        do = "mesh down ends what still runs of it and clears up"
        return warn(f"left behind by a mesh up that was killed: {', '.join(stale)}", do, stale=stale, running=running)
    what = f"running here: {', '.join(running)}" if running else "no cluster runs here, and none left a trace"
    return ok(what, running=running)


def _alive(state_file: Path) -> list[str]:
    """The instances of that state whose pids are somebody's; perhaps somebody else's by now."""
    try:
        services = json.loads(state_file.read_text("utf-8"))["services"].values()
        instances = [(one["id"], one["pid"]) for found in services for one in found]
        return [f"{id} pid {pid}" for id, pid in instances if pid and psutil.pid_exists(pid)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
