"""Which services a changed file concerns.

One rule: a service is touched by the files that it needed before the change or needs after it; so a module that went
and one that came both count, and a file that nobody needs (a test, a note, a half-written module) touches none.

A service needs what the modules and files of its command import (see `imports`), files that the command names, and what
its `watch` in cluster.toml names.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mesh.cluster.plan import ClusterConfig, ServiceConfig
from mesh.dev.imports import Imports
from mesh.dev.tree import Files


class Uses:
    """The services of `config`, with commands that run in `directory`. `known` are the files each needs by now."""

    def __init__(self, config: ClusterConfig, directory: Path) -> None:
        readers: dict[tuple[Path, ...], Imports] = {}  # most programs are looked up in the same folders
        self._services = {
            name: _Program(service, name, directory, {**config.env, **service.env}, readers)
            for name, service in config.services.items()
        }
        self.known: dict[str, frozenset[Path]] = {name: frozenset() for name in self._services}

    @property
    def named(self) -> frozenset[Path]:
        """Files and folders to watch that a tree of source files would not have."""
        return frozenset(path for program in self._services.values() for path in program.named)

    def update(self, files: Files) -> None:
        """Works out anew what each service needs of `files`."""
        self.known = {name: program.needs(files) for name, program in self._services.items()}

    def touched(self, changed: Iterable[Path], files: Files) -> dict[str, frozenset[Path]]:
        """Updates, and gives each service that `changed` concerns with those files."""
        before, changed = self.known, frozenset(changed)
        self.update(files)
        found = {name: changed & (before[name] | self.known[name]) for name in self._services}
        return {name: paths for name, paths in found.items() if paths}


class _Program:
    """One service's command, as far as files are concerned."""

    def __init__(
        self,
        service: ServiceConfig,
        name: str,
        directory: Path,
        env: Mapping[str, str],
        readers: dict[tuple[Path, ...], Imports],
    ) -> None:
        cwd = (directory / service.cwd).resolve()
        words = service.command_of(name)
        more = env.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        roots = [cwd, *((cwd / entry).resolve() for entry in more.split(os.pathsep) if entry)]
        self._modules = [after for word, after in itertools.pairwise(words) if word == "-m"]
        named = [cwd / word for word in words]
        self._scripts = [path for path in named if path.is_file() and path.is_relative_to(directory)]
        roots += [script.parent for script in self._scripts if script.suffix == ".py" and script.parent not in roots]
        self._imports = readers.setdefault(tuple(roots), Imports(roots))
        self._watch = [(directory / entry).resolve() for entry in service.watch]
        self.named: frozenset[Path] = frozenset([*self._watch, *self._scripts])

    def needs(self, files: Files) -> frozenset[Path]:
        entries = [path for module in self._modules for path in self._imports.module(module, files)]
        watched = (
            [path for path in files if any(path.is_relative_to(top) for top in self._watch)] if self._watch else []
        )
        return self._imports.closure([*entries, *self._scripts, *watched], files)
