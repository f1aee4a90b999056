"""The contracts that a node serves, told in its init frame: `pricing=0123456789abcdef,geo=...`.

One rule: it is a hint. Other implementations pass over init headers that they do not know, and whoever reads it
believes only what it can check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mesh.contract.model import Service
from mesh.wire import PeerInfo

HEADER = "thriftmesh_contracts"
DIGEST_CHARS = 16  # of the digest's 64: by chance, two contracts share them in 2**64 cases
# Names and digests together. The init frame may have 4,096 bytes with some 300 of its own; forty services fit.
# What does not fit is left out: the registry tells a caller about the rest.
MAX_CHARS = 3_000

_ENTRY = re.compile(r"([A-Za-z0-9._-]{1,255})=([0-9a-f]{16})")


def short(digest: str) -> str:
    """A digest as it is announced and shown."""
    return digest[:DIGEST_CHARS]


def announcement(services: Mapping[str, Service]) -> dict[str, str]:
    """The init header for what is served, by the names under which it is called."""
    entries: list[str] = []
    room = MAX_CHARS
    for name, service in services.items():
        entry = f"{name}={short(service.contract.digest)}"
        room -= len(entry) + 1
        if _ENTRY.fullmatch(entry) and room >= 0:
            entries.append(entry)
    return {HEADER: ",".join(entries)} if entries else {}


def announced(peer: PeerInfo | None, service: str) -> str | None:
    """The digest under which `peer` says that it serves `service`; None when it does not say."""
    told = peer.headers.get(HEADER, "") if peer is not None else ""
    for entry in told[: 2 * MAX_CHARS].split(","):
        match = _ENTRY.fullmatch(entry)
        if match is not None and match[1] == service:
            return match[2]
    return None
