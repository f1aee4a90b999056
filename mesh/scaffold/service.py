"""A new service in a project that is there: its files, its place in the cluster, its line in the import contracts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mesh.scaffold import edits
from mesh.scaffold.fault import ScaffoldError
from mesh.scaffold.names import camel, check_owner, check_service
from mesh.scaffold.templates import Kind, Values, render
from mesh.scaffold.writing import alone, replace, written

CLUSTER = "cluster.toml"
_EDITS: dict[str, Callable[[str, str], str]] = {
    # In this order: a service stands in the cluster only once everything else of it is there.
    "setup.cfg": edits.add_to_contracts,
    CLUSTER: edits.add_to_cluster,
}
_PACKAGES = ("idl/__init__.py", "services/__init__.py")


@dataclass(frozen=True, slots=True)
class Added:
    """The paths that were written and those that were added to, relative to the project."""

    written: list[str]
    changed: list[str]


def find_project(start: Path) -> Path:
    """The project that `start` lies in: the nearest folder with a cluster.toml. Raises ScaffoldError."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / CLUSTER).is_file():
            return folder
    raise ScaffoldError(
        f"no project: neither {start} nor a folder above it has a {CLUSTER}", "mesh new PROJECT makes one"
    )


def new_service(project: Path, name: str, *, owner: str | None = None) -> Added:
    """Adds the service `name` to the project in the folder `project`; its owner is by default the folder's name.

    Raises ScaffoldError, and OSError when the disk refuses; then everything is as it was.
    """
    check_service(name)
    owner = project.name if owner is None else owner
    check_owner(owner)
    for file in (*_PACKAGES, *_EDITS):
        if not (project / file).is_file():
            raise ScaffoldError(
                f"{project} has no {file}", "a service is added to the layout that `mesh new PROJECT` writes"
            )
    files = render(Kind.SERVICE, Values(project=project.name, service=name, camel=camel(name), owner=owner))
    with alone(project):
        return Added(sorted(files), _add(project, name, files))


def _add(project: Path, name: str, files: dict[str, str]) -> list[str]:
    """Writes `files` and the edits; gives the paths that were added to."""
    taken = [path for path in (f"services/{name}", f"services/{name}.py", *files) if os.path.lexists(project / path)]
    if taken:
        raise ScaffoldError(f"{project / taken[0]} exists already; nothing was written", "choose another name")
    before = {file: _read(project / file) for file in _EDITS}
    after = {file: edit(before[file], name) for file, edit in _EDITS.items()}
    with written(project, files):
        try:
            for file, text in after.items():
                replace(project / file, text)
        except BaseException:
            for file, text in before.items():
                replace(project / file, text)
            raise
    return [file for file in _EDITS if after[file] != before[file]]


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError:
        raise ScaffoldError(f"{path} is not UTF-8") from None
