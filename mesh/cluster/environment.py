"""What an instance finds in its environment: the contract between the dev cluster and any program, in any language.

    MESH_NAME          the service                    MESH_INSTANCE   its own name, e.g. pricing-1
    MESH_LISTEN        HOST:PORT for RPC              MESH_ADMIN      HOST:PORT for /health and /metrics
    MESH_REGISTRY      consul://... or file://...     MESH_DATA_DIR   a folder that the service's instances share
    MESH_ADVERTISE     HOST:PORT for others, where that is not loopback (`mesh up --join`)
    MESH_LOG_FORMAT    json, unless the caller says   MESH_FD_<PORT>  a listening TCP socket, inherited
    MESH_STATE         state.json of the cluster      MESH_CLUSTER_RUN  whose process it is: leave it alone

One rule: these win over the caller's environment and over `env` in cluster.toml; everything else of the caller's is
passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mesh.cluster.place import ALONE, Place
from mesh.discovery.address import format_address

FD_PREFIX = "MESH_FD_"
# Files are read by machines as well as people, so instances log JSON; Python must not keep a page of output to itself.
DEFAULTS = {"MESH_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}


# What the supervisor states itself, so that nobody else can: refused in `env` of cluster.toml and in .env.
OWN = (
    "MESH_NAME",
    "MESH_INSTANCE",
    "MESH_LISTEN",
    "MESH_ADMIN",
    "MESH_ADVERTISE",
    "MESH_REGISTRY",
    "MESH_DATA_DIR",
    "MESH_STATE",
    "MESH_CLUSTER_RUN",
)


def check(names: Iterable[str]) -> None:
    """Raises ValueError for a variable that nobody may set for an instance but its supervisor."""
    for name in names:
        if name in OWN or name.startswith(FD_PREFIX):
            raise ValueError(f"{name} is set by mesh up for every instance; take it out")
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"{name!r} can be no variable's name")


def contract(
    service: str,
    instance: str,
    ports: tuple[int, ...],
    registry: str,
    data_dir: Path,
    state_file: Path,
    place: Place = ALONE,
) -> dict[str, str]:
    """The variables above, but for the sockets."""
    known = {"MESH_ADVERTISE": format_address(place.advertise, ports[0])} if place.shared else {}
    return {
        **known,
        "MESH_NAME": service,
        "MESH_INSTANCE": place.name_of(instance, ports[0]),
        "MESH_LISTEN": format_address(place.bind, ports[0]),
        "MESH_ADMIN": format_address(place.bind, ports[1]),
        "MESH_REGISTRY": registry,
        "MESH_DATA_DIR": str(data_dir),
        "MESH_STATE": str(state_file),
    }


def placeholders(variables: Mapping[str, str]) -> dict[str, str]:
    """The same for a command line: `{port}` is the RPC port, `{admin}` HOST:PORT, and so on (plan.PLACEHOLDERS)."""
    host, _, port = variables["MESH_LISTEN"].rpartition(":")
    return {
        "listen": variables["MESH_LISTEN"],
        "host": host,
        "port": port,
        "admin": variables["MESH_ADMIN"],
        "admin_port": variables["MESH_ADMIN"].rpartition(":")[2],
        "data_dir": variables["MESH_DATA_DIR"],
        "instance": variables["MESH_INSTANCE"],
        "registry": variables["MESH_REGISTRY"],
    }


def inherited(outer: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without sockets that are not ours to pass on."""
    kept = {name: value for name, value in outer.items() if not name.startswith(FD_PREFIX)}
    return {**DEFAULTS, **kept}


def fd_variable(port_name: str) -> str:
    """The variable of a shared port: `http` is in MESH_FD_HTTP."""
    return FD_PREFIX + port_name.upper().replace("-", "_")
