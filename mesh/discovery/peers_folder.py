"""Beside the peers file, a folder with one file per registered process: how services find each other without Consul.

One rule: an entry lives exactly as long as the process that made it. Its file is locked by that process, and the kernel
lets go of the lock when the process ends in whatever way; an entry that a reader can lock belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from mesh.discovery.peers_file import format_entry, parse_entry
from mesh.discovery.registry import Instance

MAX_ENTRIES = 2000  # read whole at every look
MAX_ENTRY_BYTES = 64 * 1024


class PeersFolder:
    """The entries in `path`. Every method is a few small file operations on a local disk and may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> tuple[Instance, ...]:
        """The entries of living processes; what dead ones left is removed."""
        found: list[Instance] = []
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._path))[:MAX_ENTRIES]:
                entry = self._read(self._path / name) if name.endswith(".json") else None
                if entry is not None:
                    found.append(entry)
        return tuple(found)

    def enter(self, instance: Instance) -> OwnEntry:
        """Makes `instance` visible until the result is removed or this process ends."""
        self._path.mkdir(exist_ok=True)
        path = self._path / f"{quote(instance.id, safe='')}.json"
        draft = self._path / f".{quote(instance.id, safe='')}.{os.getpid()}"
        file = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.write(file, json.dumps({"service": instance.service} | format_entry(instance)).encode())
            with self._changing():
                os.rename(draft, path)
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
        return OwnEntry(self, path, file)

    def remove(self, path: Path, file: int) -> None:
        """Removes `path` if it is still the file that is open as `file`, and not a successor's."""
        with self._changing(), contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(file)):
                os.unlink(path)

    def _read(self, path: Path) -> Instance | None:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            if _is_free(file):
                self.remove(path, file)
                return None
            content = json.loads(os.read(file, MAX_ENTRY_BYTES))
            return parse_entry(content.pop("service"), content)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # not one of ours
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else may change a name between our look at it and our change. Held for microseconds."""
        file = os.open(self._path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


class OwnEntry:
    """This process's entry; its lock is held by the open file."""

    def __init__(self, folder: PeersFolder, path: Path, file: int) -> None:
        self._folder = folder
        self._path = path
        self._file = file

    @property
    def there(self) -> bool:
        """Whether it is still in the folder; somebody may have cleaned up."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            return False

    def remove(self) -> None:
        """Takes it out. Raises OSError, and is gone for readers all the same."""
        try:
            self._folder.remove(self._path, self._file)
        finally:
            os.close(self._file)


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
