"""A new project: made whole in a folder beside its place, then moved there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from mesh.scaffold.fault import ScaffoldError
from mesh.scaffold.names import camel, check_owner, check_project, check_service
from mesh.scaffold.templates import Kind, Values, render
from mesh.scaffold.writing import written

FIRST_SERVICE = "greeter"


def new_project(folder: Path, *, service: str = FIRST_SERVICE, owner: str | None = None) -> list[str]:
    """Writes the project `folder` with one service in it, owned by `owner` (default: the project's name).

    Gives the paths that were written, relative to `folder`. Raises ScaffoldError, and OSError when the disk refuses;
    then nothing is left behind.
    """
    folder = folder.absolute()
    check_project(folder.name)
    check_service(service)
    owner = folder.name if owner is None else owner
    check_owner(owner)
    if os.path.lexists(folder):
        raise ScaffoldError(f"{folder} exists already; nothing was written", "choose another name")
    if not folder.parent.is_dir():
        raise ScaffoldError(f"there is no folder {folder.parent}")
    values = Values(project=folder.name, service=service, camel=camel(service), owner=owner)
    files = {**render(Kind.PROJECT, values), **render(Kind.SERVICE, values)}
    half = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with written(half, files):
            half.chmod(0o777 & ~_umask())  # a temporary folder is its maker's alone
            half.rename(folder)  # fails where somebody made a folder with something in it in the meantime
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return sorted(files)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
