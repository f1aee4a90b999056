"""Files written all or none, and one file replaced whole.

One rule: a file that stands there is never opened for writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def written(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Writes `files` (texts by path) below `folder`; when that, or the block, fails, they are taken away again.

    What begins with `#!` becomes executable. Raises FileExistsError for a path that is taken.
    """
    made: list[Path] = []
    try:
        for name, text in files.items():
            _make_folders((folder / name).parent, made)
            _write(folder / name, text, made)
        yield
    except BaseException:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Of all who do this with `folder`, one at a time; the others wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _write(path: Path, text: str, made: list[Path]) -> None:
    with path.open("x", encoding="utf-8") as file:
        made.append(path)
        file.write(text)
        if text.startswith("#!"):
            os.chmod(file.fileno(), 0o755)


def replace(path: Path, text: str) -> None:
    """The file's new text, whole or not at all; mode and a link to it stay."""
    path = path.resolve()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
