"""Who is at the other end: the two init frames and what they say.

One rule: a peer's word about itself is kept as text and believed only where it can do no harm (an address that it
does not listen on is never dialled).
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mesh.wire.faults import ProtocolBreach
from mesh.wire.frames import Init
from mesh.wire.limits import Limits

INIT_ID: Final = 1  # what every library uses
VERSION: Final = 2
MESH_HEADER: Final = "thriftmesh"

_NOWHERE = frozenset(("", "0.0.0.0", "::", "[::]"))


def _mesh_version() -> str:
    try:
        return importlib.metadata.version("thriftmesh")
    except importlib.metadata.PackageNotFoundError:
        return "0"  # a checkout that was never installed


_OURS = {
    "tchannel_language": "python",
    "tchannel_language_version": ".".join(map(str, sys.version_info[:3])),
    "tchannel_version": _mesh_version(),
    MESH_HEADER: _mesh_version(),
}


def is_ephemeral(host_port: str) -> bool:
    """Whether nobody can be dialled there: no host, any-address, port 0, or no address at all."""
    host, _, port = host_port.rpartition(":")
    return host in _NOWHERE or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65_536


@dataclass(frozen=True, slots=True)
class Identity:
    """What this process says of itself. `host_port` is where it listens, `0.0.0.0:0` if nowhere.

    `headers` go into the init frame besides the standard ones.
    """

    host_port: str
    process_name: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def init(self, *, answer: bool, id: int = INIT_ID) -> Init:
        headers = {"host_port": self.host_port, "process_name": self.process_name, **_OURS, **self.headers}
        return Init(id, VERSION, headers, answer)


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What the peer said. `ephemeral`: it listens nowhere, so name it by the socket's address and never dial it.

    `is_mesh`: it is one of ours; `mesh_version` then says which. `version` is the protocol version of its frame.
    """

    host_port: str
    process_name: str
    headers: Mapping[str, str]
    version: int

    @property
    def ephemeral(self) -> bool:
        return is_ephemeral(self.host_port)

    @property
    def mesh_version(self) -> str | None:
        return self.headers.get(MESH_HEADER)

    @property
    def is_mesh(self) -> bool:
        return MESH_HEADER in self.headers


def peer_of(frame: Init, limits: Limits) -> PeerInfo:
    """Who sent an init frame. Raises ProtocolBreach when it does not say enough, or says it in another version.

    A request of any version from 1 on is answered with 2, as Node and Py do (Go refuses 1): the answer tells the
    dialler what is spoken, and it is the one to give up. The answer to our own request must be 2.
    """
    wanted = frame.version == VERSION if frame.answer else frame.version >= 1
    if not wanted:
        raise ProtocolBreach(f"the peer speaks TChannel version {frame.version}; this side speaks {VERSION}")
    if len(frame.headers) > limits.init_headers:
        raise ProtocolBreach(f"{len(frame.headers)} init headers; the limit is {limits.init_headers}")
    for key in ("host_port", "process_name"):
        if not frame.headers.get(key):
            raise ProtocolBreach(f"the init frame has no {key}")
    headers = MappingProxyType(dict(frame.headers))
    return PeerInfo(headers["host_port"], headers["process_name"], headers, frame.version)
