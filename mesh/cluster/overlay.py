"""Overlays: what is different in another environment, laid over cluster.toml.

    --overlay prod             cluster.prod.toml beside cluster.toml
    --overlay deploy/eu.toml   that file (anything with a slash, or that ends in .toml)

Tables are laid over each other key by key; every other value, lists too, takes the place of the one below. Several
overlays: the later one wins. Precedence of settings: options of the command line > overlays > cluster.toml > defaults.

One rule: an overlay changes what stands below it. It is as strict as cluster.toml, and a service that is new in it must
bring its `command`: a misspelt one would otherwise quietly be a service of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mesh.config import ConfigError


def paths(base: Path, names: Sequence[str]) -> list[Path]:
    """The files of the overlays `names` to the plan `base`. Raises ConfigError with those that there are."""
    return [_path(base, name) for name in names]


def _path(base: Path, name: str) -> Path:
    if "/" in name or name.endswith(".toml"):
        return Path(name)
    path = base.with_name(f"{base.stem}.{name}{base.suffix}")
    if path.exists():
        return path
    there = sorted(
        file.name[len(base.stem) + 1 : -len(base.suffix)]
        for file in base.parent.glob(f"{base.stem}.*{base.suffix}")
        if file != base
    )
    guess = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"overlays there: {', '.join(there) or 'none'}"
    raise ConfigError(f"no overlay {name!r}: {path} does not exist; {hint}")


def merged(base: Mapping[str, Any], over: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`over` laid over `base`. `where` is the overlay's file, for complaints. Raises ConfigError."""
    known = base.get("services", {})
    new = over.get("services", {})
    for name, service in new.items() if isinstance(new, Mapping) else ():
        if name not in known and not (isinstance(service, Mapping) and "command" in service):
            guess = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"it has {', '.join(known) or 'none'}"
            raise ConfigError(
                f"{where}: services.{name}: cluster.toml has no such service; {hint} A new one must state its command"
            )
    return _laid(base, over)


def _laid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _laid(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
