"""OLD and NEW of `mesh idl breaking` as contracts: files, folders or git revisions, paired file by file.

One rule: all files of one side are loaded together, so that what they include is one and the same.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mesh.cli.exits import CommandError
from mesh.cli.git_revision import GitRevision
from mesh.contract.compare.comparison import ContractPair
from mesh.contract.lint import contract_files
from mesh.contract.loader import Loader
from mesh.contract.model import Contract
from mesh.contract.sources import Files, Source, Sources


@dataclass(frozen=True, slots=True)
class Version:
    """One side. `files` are the names to pair by: below a folder, or a single empty one for a file."""

    shown: str
    sources: Sources
    files: tuple[str, ...]
    open: Callable[[str], Source]
    folder: bool

    def contracts(self) -> dict[str, Contract]:
        """Raises ContractError."""
        loader = Loader(self.sources)
        return {name: loader.load(self.open(name)).contract for name in self.files}


@contextmanager
def versions(old: str, new: str, include_dirs: Sequence[str]) -> Iterator[tuple[Version, Version]]:
    """Raises CommandError for what cannot be found or compared."""
    with ExitStack() as stack:
        both = [_version(text, include_dirs, stack) for text in (old, new)]
        if both[0].folder != both[1].folder:
            kinds = ["a folder" if side.folder else "a file" for side in both]
            raise CommandError(
                f"{old} is {kinds[0]} and {new} {kinds[1]}", advice="give two files, or two folders with all below them"
            )
        if not both[0].files and not both[1].files:
            raise CommandError(f"no .thrift file in {old} nor in {new}")
        yield both[0], both[1]


def pairs(old: Version, new: Version) -> list[ContractPair]:
    """Raises ContractError."""
    before, after = old.contracts(), new.contracts()
    return [(before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())]


def _version(text: str, include_dirs: Sequence[str], stack: ExitStack) -> Version:
    rev, colon, path = text.partition(":")
    if Path(text).exists() or not colon:
        return _on_disk(text, include_dirs)
    if not rev:
        raise CommandError(f"{text!r}: name a revision before the colon, as in HEAD~1:idl")
    return _in_git(stack.enter_context(GitRevision(rev, include_dirs)), path)


def _on_disk(text: str, include_dirs: Sequence[str]) -> Version:
    path, files = Path(text), Files(include_dirs)
    if not path.exists():
        raise CommandError(
            f"{text} is not there", advice="a file, a folder, or REV:PATH of a git revision, as in origin/main:idl"
        )
    if not path.is_dir():
        return Version(text, files, ("",), lambda _: files.open(path), folder=False)
    names = tuple(file.relative_to(path).as_posix() for file in contract_files([path]))
    return Version(text, files, names, lambda name: files.open(path / name), folder=True)


def _in_git(revision: GitRevision, path: str) -> Version:
    clean = revision.clean(path)
    shown = f"{revision.rev}:{path}"
    if not revision.is_folder(clean):
        return Version(shown, revision, ("",), lambda _: revision.open(clean), folder=False)
    names = tuple(posixpath.relpath(name, clean) for name in revision.listed(clean))
    return Version(shown, revision, names, lambda name: revision.open(posixpath.normpath(f"{clean}/{name}")), True)
