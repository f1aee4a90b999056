"""The source files below a project, and which of them changed.

One rule: it compares what stands on the disk with what stood there, and never asks how it came about: a save, an atomic
rename, a deletion and a `git checkout` are the same to it, and a file that an editor wrote and removed in between never
existed.

Polling, and not inotify or a library for it (watchfiles): a project has some hundreds of source files, a look at them
takes a few milliseconds, and it works the same on Linux, macOS, in containers and on network mounts, where events do
not arrive. A library would bring a compiled dependency into every installation, and would spend kernel watches on the
folders that are left out here (a virtual environment has thousands). Between two looks lies twenty times what a look
takes, so that watching never costs more than a twentieth of a processor.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SUFFIXES = (".py", ".thrift")
MAX_FILES = 5_000  # about 50 ms a look; a project with more wants to be split, or the wrong folder was named
MAX_FOLDERS = 2_000
LOOK_EVERY_S = 0.15  # a save is seen within this
LOOK_SHARE = 20  # a look may take a twentieth of the time between two
LOOK_AT_LEAST_EVERY_S = 1.0  # however slow the disk is: half of the two seconds in which an edit is to be live
# Folders that hold no source, besides hidden ones and virtual environments of any name.
_LEFT_OUT = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages"})

MAX_SOURCE_BYTES = 2 * 1024 * 1024  # of a file that is read as a program; what is larger is data, and only watched

Stamp = tuple[int, int, int]  # mtime in ns, size, inode: a rename over the file changes the inode at least
Files = Mapping[Path, Stamp]


class TooManyFiles(Exception):
    """There is more to watch than is sensible; the text says where it lies and what to do."""


class Tree:
    """The files with our suffixes below `root`, and those of `extra` (files, or folders with all below them)."""

    def __init__(
        self, root: Path, extra: Iterable[Path] = (), *, max_files: int = MAX_FILES, max_folders: int = MAX_FOLDERS
    ) -> None:
        self._root = root
        self._extra = tuple(extra)
        self._max_files = max_files
        self._max_folders = max_folders

    def look(self) -> dict[Path, Stamp]:
        """Every file with its stamp, now. Raises TooManyFiles."""
        found: dict[Path, Stamp] = {}
        self._collect(found, self._walk(self._root, SUFFIXES))
        for path in self._extra:
            self._collect(found, self._walk(path, ("",)) if os.path.isdir(path) else iter((str(path),)))
        return found

    def _collect(self, found: dict[Path, Stamp], paths: Iterator[str]) -> None:
        for path in paths:
            try:
                status = os.stat(path)
            except OSError:
                continue  # gone since it was listed, or a link to nowhere
            if not stat.S_ISREG(status.st_mode):
                continue  # whoever opened a pipe would wait for its other end
            found[Path(path)] = (status.st_mtime_ns, status.st_size, status.st_ino)
            if len(found) > self._max_files:
                raise TooManyFiles(self._too_many(f"{self._max_files} files", found))

    def _walk(self, top: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
        """Hidden files are left out as well: editors put their locks and swap files under such names."""
        waiting, folders = [str(top)], 0
        while waiting:
            folder = waiting.pop()
            folders += 1
            if folders > self._max_folders:
                raise TooManyFiles(self._too_many(f"{self._max_folders} folders", map(Path, waiting)))
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue  # gone, or not ours to read
            if any(entry.name == "pyvenv.cfg" for entry in entries):
                continue
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if name not in _LEFT_OUT and not name.endswith(".egg-info"):
                        waiting.append(entry.path)
                elif name.endswith(suffixes) and not name.endswith("~"):
                    yield entry.path

    def _too_many(self, what: str, paths: Iterable[Path]) -> str:
        below = Counter(_first_step(path, self._root) for path in paths)
        most = ", ".join(name for name, _ in below.most_common(3))
        return (
            f"more than {what} to watch below {self._root}; most lie in {most}: start mesh dev in the folder of the"
            " project, or keep what is no source in a folder called build, dist or .something"
        )


def changed(before: Files, after: Files) -> frozenset[Path]:
    """Files that came, went or are different."""
    return frozenset(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def pause_s(look_s: float) -> float:
    """How long to wait after a look that took `look_s`."""
    return min(LOOK_AT_LEAST_EVERY_S, max(LOOK_EVERY_S, look_s * LOOK_SHARE))


def _first_step(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).parts[0] + "/"
    except (ValueError, IndexError):
        return str(path)
