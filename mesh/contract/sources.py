"""Where a contract's text comes from: files on disk, or texts that a server sent.

One rule: an include names a file beside the one that includes it, or in an include directory; never an absolute path.
Texts from elsewhere touch no disk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mesh.contract.problem import ContractError

# A UTF-8 character has at most four bytes and the grammar takes 1 Mi of them: what is larger need not be read.
MAX_FILE_BYTES = 4 * 1024 * 1024
# Files from a server, all together: a city's whole IDL is a tenth of either.
MAX_TEXTS = 200
MAX_TEXTS_CHARACTERS = 2 * 1024 * 1024
MAX_NAME = 255  # characters of an include's path: the longest file name that systems take


@dataclass(frozen=True, slots=True)
class Source:
    """One file. `key` is its identity, `shown` its name in messages."""

    key: str
    shown: str
    text: str

    @property
    def path(self) -> Path:
        return Path(self.key)

    @property
    def name(self) -> str:
        return posixpath.basename(self.shown.replace("\\", "/"))

    @property
    def stem(self) -> str:
        return self.name.removesuffix(".thrift")


class Sources(Protocol):
    def include(self, includer: Source, path: str) -> Source | None:
        """The file that `includer` means by `path`; None when there is none."""
        ...


def include_fault(path: str) -> str | None:
    """Why `path` cannot be an include; None when it can."""
    if not path or len(path) > MAX_NAME or not path.isprintable() or "\\" in path or path.endswith("/"):
        return f"include {path[:60]!r} is no relative path with slashes"
    if posixpath.isabs(path) or "://" in path or path[1:2] == ":":
        return f"include {path!r} is absolute; write it relative to this file or to an include directory"
    return None


def decoded(data: bytes, shown: str) -> str:
    """The text of a file that is shown as `shown`. Raises ContractError for what is not UTF-8, with its line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ContractError(shown, line, f"not UTF-8: byte 0x{data[error.start]:02x}") from None


class Files:
    """Files on disk, with more folders to look for includes in (after the includer's own)."""

    def __init__(self, include_dirs: Iterable[str | Path] = ()) -> None:
        self._dirs = tuple(Path(folder) for folder in include_dirs)

    def open(self, path: str | Path) -> Source:
        """Raises ContractError for a file that is missing, too large, unreadable or not UTF-8."""
        shown = str(path)
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ContractError(shown, 0, f"cannot be read: {error.strerror or error}") from None
        except ValueError as error:  # a null byte in the name
            raise ContractError(repr(shown), 0, f"cannot be read: {error}") from None
        if len(data) > MAX_FILE_BYTES:
            raise ContractError(shown, 0, f"larger than {MAX_FILE_BYTES} bytes; no contract is")
        return Source(str(Path(path).resolve()), shown, decoded(data, shown))

    def include(self, includer: Source, path: str) -> Source | None:
        for folder in (Path(includer.shown).parent, *self._dirs):
            candidate = folder / path
            if candidate.is_file():
                return self.open(candidate)
        return None


class Texts:
    """Texts by relative path, as Meta::thriftIDL sends them. The names are a stranger's."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Raises ContractError for names that are no plain relative paths, and for too much of anything."""
        if len(texts) > MAX_TEXTS:
            raise ContractError("<texts>", 0, f"{len(texts)} files; at most {MAX_TEXTS} are taken from a server")
        size = sum(map(len, texts.values()))
        if size > MAX_TEXTS_CHARACTERS:
            raise ContractError("<texts>", 0, f"{size} characters; a server may send {MAX_TEXTS_CHARACTERS}")
        self._texts: dict[str, str] = {}
        for name, text in texts.items():
            clean = posixpath.normpath(name)
            if include_fault(name) or clean.startswith(".."):
                raise ContractError(repr(name[:80]), 0, "the name of a text must be a relative path without '..'")
            self._texts[clean] = text

    def open(self, name: str) -> Source:
        clean = posixpath.normpath(name)
        if clean not in self._texts:
            raise ContractError(repr(name[:80]), 0, f"not among the texts: {', '.join(sorted(self._texts))[:200]}")
        return Source(clean, clean, self._texts[clean])

    def include(self, includer: Source, path: str) -> Source | None:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(includer.key), path))
        for name in (beside, posixpath.normpath(path)):
            if name in self._texts:
                return self.open(name)
        return None
