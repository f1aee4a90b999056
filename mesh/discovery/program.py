"""A program out of a Debian package, without installing it: found on the PATH, in our cache, or fetched.

One rule: a binary is handed out only after it has run here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from re import Pattern

from mesh.discovery.apt import AptError, fetch_package

VERSION_TIMEOUT_S = 10.0  # a version takes 50 ms to tell; a loaded machine may need a hundred times that
LOCK_TIMEOUT_S = 600.0  # another process may be fetching; it takes at most about this long


def caches() -> Path:
    """Outside every repository: `$XDG_CACHE_HOME/thriftmesh`, by default below ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "thriftmesh"


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is the command, and the binary in the package's /usr/bin; `suite` the Debian release to take it from."""

    name: str
    package: str
    suite: str
    ask: str  # the argument that makes it tell its version
    answer: Pattern[str]  # what it answers then; the first group is the version

    @property
    def cache(self) -> Path:
        return caches() / self.name

    def find(self, cache_dir: Path | None = None) -> Path:
        """The path of a binary that runs here; fetches one (some seconds) where there is none yet.

        Blocks; says on stderr what it does while it fetches. Raises AptError, and OSError for an unusable cache.
        """
        on_path = shutil.which(self.name)
        if on_path and self.version_of(Path(on_path)):
            return Path(on_path)
        cache = cache_dir or self.cache
        if not self.intact(cache):
            cache.mkdir(parents=True, exist_ok=True)
            with self._lock(cache / "lock"):
                if not self.intact(cache):  # or another process fetched it while we waited
                    self._fetch(cache)
        return cache / self.name

    def version_of(self, binary: Path) -> str | None:
        """What it says its version is, or None if the binary does not run or is something else."""
        try:
            told = subprocess.run(
                [binary, self.ask],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=VERSION_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = self.answer.match(told.stdout)
        return match[1] if match and told.returncode == 0 else None

    def intact(self, cache: Path) -> bool:
        """Whether the cached binary is byte for byte the one that was checked when it was fetched."""
        binary, digest = cache / self.name, cache / f"{self.name}.sha256"
        if not (binary.is_file() and os.access(binary, os.X_OK) and digest.is_file()):
            return False
        return digest.read_text("utf-8").strip() == _digest(binary)

    def _fetch(self, cache: Path) -> None:
        for left_over in cache.glob("fetch-*"):  # of a process that was killed; we hold the lock
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as work:
            tree = fetch_package(self.package, self.suite, Path(work), say=self._say)
            binary = tree / "usr" / "bin" / self.name
            version = self.version_of(binary)
            if version is None:
                raise AptError("the fetched binary does not run on this machine")
            # The digest goes first: a crash between the two renames leaves a pair that does not match and is fetched
            # anew.
            digest = Path(work) / "digest"
            digest.write_text(_digest(binary) + "\n", "utf-8")
            digest.replace(cache / f"{self.name}.sha256")
            binary.replace(cache / self.name)
        self._say(f"version {version} is in {cache}")

    @contextlib.contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        """One process fetches, the others wait for it. The kernel drops the lock with its holder."""
        give_up = time.monotonic() + LOCK_TIMEOUT_S
        told = False
        with path.open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        raise AptError(f"another process has held {path} for {LOCK_TIMEOUT_S:.0f} s") from None
                if not told:
                    self._say("another process is fetching it; waiting for that")
                    told = True
                time.sleep(0.2)
            yield

    def _say(self, line: str) -> None:
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
