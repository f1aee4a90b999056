"""What Consul answers, with what its headers say about it.

One rule: an index is always above 0, because a query with index 0 does not block and the loop would spin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """`last_contact_ms`: how old the answering server's data is at most. `content_hash`: the agent endpoints' index."""

    value: T
    index: int = 1
    known_leader: bool = True
    last_contact_ms: int = 0
    content_hash: str | None = None


def read_headers(headers: Mapping[str, str], value: T) -> Answer[T]:
    """Takes the headers of a response apart; what is missing or no number counts as unknown, never as an error."""
    return Answer(
        value,
        index=max(1, _whole(headers.get("X-Consul-Index"))),
        known_leader=headers.get("X-Consul-KnownLeader", "true").lower() != "false",
        last_contact_ms=_whole(headers.get("X-Consul-LastContact")),
        content_hash=headers.get("X-Consul-ContentHash"),
    )


def _whole(text: str | None) -> int:
    # 20 digits hold every 64-bit index; longer text is no index, and int() of megabytes takes long.
    return int(text) if text and len(text) <= 20 and text.isascii() and text.isdigit() else 0
