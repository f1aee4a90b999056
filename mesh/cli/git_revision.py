"""Contracts as a git revision has them, read without touching the work tree.

One rule: nothing that a person types becomes part of a shell's line or one of git's options, and a revision is resolved
to its commit once: what is read belongs together.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from mesh.cli.exits import CommandError
from mesh.contract.lint import MAX_LISTED
from mesh.contract.problem import ContractError
from mesh.contract.sources import MAX_FILE_BYTES, Source, decoded

TIMEOUT_S = 60.0  # git answers these in milliseconds; a huge repository on a cold disk takes some seconds


class GitRevision:
    """`with GitRevision("origin/main") as revision`: fits `mesh.contract.sources.Sources`.

    Paths are as git has them in `REV:PATH`: from the repository's root, or from here with `./` in front. `include_dirs`
    are such paths too. The repository is the one that the current folder is in. Raises CommandError.
    """

    def __init__(self, rev: str, include_dirs: Iterable[str] = (), *, folder: Path | None = None) -> None:
        self.rev = rev
        self._include_dirs = tuple(include_dirs)
        self._folder = folder or Path.cwd()

    def __enter__(self) -> GitRevision:
        try:
            self._prefix = self._git("rev-parse", "--show-prefix").rstrip("\n")
        except CommandError as error:
            raise CommandError(f"{self.rev}: there is no git repository here to read it from: {error}") from None
        try:
            self._commit = self._git("rev-parse", "--verify", "--end-of-options", f"{self.rev}^{{commit}}").strip()
        except CommandError as error:
            raise CommandError(
                f"git knows no revision {self.rev!r}: {error}",
                advice="a shallow clone has few: git fetch --depth=1 origin BRANCH, then origin/BRANCH or FETCH_HEAD",
            ) from None
        self._dirs = tuple(self.clean(folder) for folder in self._include_dirs)
        self._reader = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=self._folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._reader.communicate()  # it ends with its input

    def clean(self, path: str) -> str:
        """A path from the repository's root. Raises CommandError for one that leaves the repository."""
        cleaned = posixpath.normpath(posixpath.join(self._prefix, path) if path.startswith("./") else path or ".")
        if cleaned.startswith(("../", "/")) or cleaned == ".." or "\n" in cleaned:
            raise CommandError(f"{self.rev}:{path}: write the path from the repository's root, or from here as ./PATH")
        return cleaned

    def is_folder(self, path: str) -> bool:
        """Raises CommandError when there is nothing of that path."""
        kind, _ = self._head(path)
        if kind not in ("tree", "blob"):
            raise CommandError(
                f"{self.rev}:{path} is not there",
                advice=f"git ls-tree -r --name-only {self.rev} lists what is; from this folder write ./{path}",
            )
        return kind == "tree"

    def listed(self, folder: str) -> list[str]:
        """The `.thrift` files below `folder`, sorted, from the root."""
        where = [] if folder == "." else [f":(literal){folder}/"]
        text = self._git("ls-tree", "-r", "-z", "--full-tree", "--name-only", self._commit, "--", *where)
        found = sorted(name for name in text.split("\0") if name.endswith(".thrift"))
        if len(found) > MAX_LISTED:
            raise ContractError(f"{self.rev}:{folder}", 0, f"more than {MAX_LISTED} contracts in this folder")
        return found

    def open(self, path: str) -> Source:
        """Raises ContractError for a file that is missing, too large or not UTF-8."""
        shown = f"{self.rev}:{path if '/' in path else f'./{path}'}"  # a name begins after a slash
        kind, data = self._head(path, content=True)
        if kind != "blob":
            raise ContractError(shown, 0, "cannot be read: it is no file of that revision")
        if data is None:
            raise ContractError(shown, 0, f"larger than {MAX_FILE_BYTES} bytes; no contract is")
        return Source(f"{self._commit}/{path}", shown, decoded(data, shown))

    def include(self, includer: Source, path: str) -> Source | None:
        inside = includer.key.partition("/")[2]
        for folder in (posixpath.dirname(inside), *self._dirs):
            candidate = posixpath.normpath(posixpath.join(folder, path))
            if not candidate.startswith("..") and self._head(candidate)[0] == "blob":
                return self.open(candidate)
        return None

    def _head(self, path: str, *, content: bool = False) -> tuple[str, bytes | None]:
        """What a path is (`tree`, `blob` or neither), and its content if that is asked for and not too large."""
        stdin, stdout = self._reader.stdin, self._reader.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(f"{self._commit}:{'' if path == '.' else path}\n".encode(errors="surrogateescape"))
            stdin.flush()
        except BrokenPipeError:
            raise CommandError(f"git cat-file ended while {self.rev} was read; git fsck may say why") from None
        words = stdout.readline().decode(errors="replace").split()
        if len(words) != 3 or not words[2].isdigit():  # ends in "missing", or in nothing at all
            return "", None
        size = int(words[2])
        kept = stdout.read(min(size, MAX_FILE_BYTES))
        for start in range(MAX_FILE_BYTES, size, MAX_FILE_BYTES):
            stdout.read(min(MAX_FILE_BYTES, size - start))
        stdout.read(1)
        return words[1], kept if content and size <= MAX_FILE_BYTES else None

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                timeout=TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError:
            raise CommandError("there is no git on the PATH to read a revision with") from None
        except subprocess.TimeoutExpired:
            raise CommandError(f"git {arguments[0]} took longer than {TIMEOUT_S:.0f} s") from None
        if done.returncode != 0:
            complaint = done.stderr.strip().splitlines() or [f"git {arguments[0]} ended with {done.returncode}"]
            raise CommandError(complaint[0].removeprefix("fatal: "))
        return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
