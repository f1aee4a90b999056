"""Who is at the other end: the two init frames and what they say.

One rule: a peer's word about itself is kept as text and believed only where it can do no harm (an address that it
does not listen on is never dialled).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """What this process says of itself. `host_port` is where it listens, `0.0.0.0:0` if nowhere.

    `headers` go into the init frame besides the standard ones.
    """

    host_port: str
    process_name: str
    headers: Mapping[str, str] = field(default_factory=dict)


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
        host, _, port = self.host_port.rpartition(":")
        return host in ("0.0.0.0", "") or not port.isdigit() or int(port) == 0

    @property
    def mesh_version(self) -> str | None:
        return self.headers.get(MESH_HEADER)

    @property
    def is_mesh(self) -> bool:
        return MESH_HEADER in self.headers


MESH_HEADER = "thriftmesh"
