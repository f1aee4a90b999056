"""Transport headers: `nh:1 (hk~1 hv~1){nh}`, for routers and relays rather than for the application."""

from __future__ import annotations

from collections.abc import Mapping


def encode_transport_headers(headers: Mapping[str, str]) -> bytes:  # type: ignore[empty-body]
    """The bytes of a header block, for callers that keep them. Raises HeaderError when they do not fit."""
