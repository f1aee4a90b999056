"""The peers file: services, addresses and rules, written by a person or a supervisor, in TOML or JSON by its suffix.

One rule: the file is read whole or not at all; a bad one changes nothing and says where it is bad.

    [services]
    pricing = ["127.0.0.1:7001", {address = "127.0.0.1:7002", admin = "127.0.0.1:8002", zone = "a", weight = 2}]

    [rules."limits/pricing"]
    value = {concurrency = 20}

An entry's other fields are `id` (default: the address), `admin`, `zone`, `weight` and `meta` (a table of texts). A rule
has the form that `mesh.discovery.rules` describes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.discovery.address import format_address, parse_address
from mesh.discovery.registry import Instance

MAX_FILE_BYTES = 4 * 1024 * 1024  # it is for one machine's worth of services; Consul is for more
SUFFIXES = (".toml", ".json")

_FIELDS = ("address", "id", "admin", "zone", "weight", "meta")


@dataclass(frozen=True, slots=True)
class Peers:
    """What a peers file says."""

    services: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    rules: Mapping[str, bytes] = field(default_factory=dict)


def parse_peers(path: Path, text: bytes) -> Peers:
    """Reads the content of `path`. Raises ValueError with what is wrong, the file's name left out."""
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"{len(text)} bytes are more than {MAX_FILE_BYTES}")
    decoded = text.decode("utf-8")
    content = tomllib.loads(decoded) if path.suffix == ".toml" else json.loads(decoded or "{}")
    if not isinstance(content, dict):
        raise ValueError("it is no table with services and rules")
    if unknown := sorted(set(content) - {"services", "rules"}):
        raise ValueError(f"unknown table {unknown[0]!r}; known are services, rules")
    services = _table(content.get("services", {}), "services")
    rules = _table(content.get("rules", {}), "rules")
    return Peers(
        {name: tuple(parse_entry(name, entry) for entry in _list(name, entries)) for name, entries in services.items()},
        {key: json.dumps(rule, default=_no_json).encode() for key, rule in rules.items()},
    )


def parse_entry(service: str, entry: Any) -> Instance:
    """One instance of `service`: "host:port", or a table with at least an `address`. Raises ValueError."""
    table = {"address": entry} if isinstance(entry, str) else _table(entry, f"services.{service}")
    if unknown := sorted(set(table) - set(_FIELDS)):
        raise ValueError(f"services.{service}: unknown field {unknown[0]!r}; known are {', '.join(_FIELDS)}")
    for name in ("address", "id", "admin", "zone"):
        if not isinstance(table.get(name, ""), str):
            raise ValueError(f"services.{service}.{name}: expected text, got {table[name]!r}")
    weight = table.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
        raise ValueError(f"services.{service}.weight: expected a whole number from 1, got {weight!r}")
    try:
        host, port = parse_address(table.get("address", ""))
    except ValueError as error:
        raise ValueError(f"services.{service}: {error}") from None
    meta = _table(table.get("meta", {}), f"services.{service}.meta")
    return Instance(
        service,
        table.get("id", table["address"]),
        host,
        port,
        admin=table.get("admin"),
        zone=table.get("zone"),
        weight=weight,
        meta={key: str(value) for key, value in meta.items()},
    )


def format_entry(instance: Instance) -> dict[str, Any]:
    """The table that `parse_entry` reads back."""
    optional = {"admin": instance.admin, "zone": instance.zone}
    return {
        "address": format_address(instance.host, instance.port),
        "id": instance.id,
        "weight": instance.weight,
        "meta": dict(instance.meta),
    } | {key: value for key, value in optional.items() if value is not None}


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a table, got {value!r}")
    return value


def _list(service: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"services.{service}: expected a list of addresses, got {value!r}")
    return value


def _no_json(value: Any) -> str:
    raise ValueError(f"rules: {value!r} is no JSON value")
