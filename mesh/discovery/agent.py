"""Finds a real Consul agent: on the PATH, in our cache, or in the Debian archive that this machine trusts.

One rule: a binary is handed out only after it has run here. No current Debian release has Consul; the suite named below
has 1.8.7, a static program that also runs on newer releases.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mesh.discovery.apt import AptError, fetch_package

SUITE = "bullseye"
VERSION_TIMEOUT_S = 10.0  # `consul version` takes 50 ms; a loaded machine may need a hundred times that
LOCK_TIMEOUT_S = 600.0  # another process may be fetching; it takes at most about this long


class ConsulUnavailable(Exception):
    """No agent can be had on this machine; the text is one line with the reason and what to do."""


def default_cache() -> Path:
    """Outside every repository: `$XDG_CACHE_HOME/thriftmesh/consul`, by default below ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "thriftmesh" / "consul"


def find_consul(cache_dir: Path | None = None) -> Path:
    """The path of a Consul binary that runs here; fetches one (some seconds, 23 MB) where there is none yet.

    Blocks; says on stderr what it does while it fetches. Raises ConsulUnavailable.
    """
    on_path = shutil.which("consul")
    if on_path and version_of(Path(on_path)):
        return Path(on_path)
    cache = cache_dir or default_cache()
    try:
        if _intact(cache):
            return cache / "consul"
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / "lock"):
            if not _intact(cache):  # or another process fetched it while we waited
                _fetch(cache)
    except AptError as error:
        raise ConsulUnavailable(f"no Consul agent: {error}. Put a consul binary on the PATH.") from error
    except OSError as error:
        raise ConsulUnavailable(f"no Consul agent: cannot use the cache {cache}: {error.strerror or error}") from error
    return cache / "consul"


def version_of(binary: Path) -> str | None:
    """What `consul version` says ("1.8.7"), or None if the binary does not run or is something else."""
    try:
        answer = subprocess.run(
            [binary, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"Consul v(\S+)", answer.stdout)
    return match[1] if match and answer.returncode == 0 else None


def _intact(cache: Path) -> bool:
    """Whether the cached binary is byte for byte the one that was checked when it was fetched."""
    binary, digest = cache / "consul", cache / "consul.sha256"
    if not (binary.is_file() and os.access(binary, os.X_OK) and digest.is_file()):
        return False
    return digest.read_text("utf-8").strip() == _digest(binary)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch(cache: Path) -> None:
    for left_over in cache.glob("fetch-*"):  # of a process that was killed; we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as work:
        tree = fetch_package("consul", SUITE, Path(work), say=_say)
        binary = tree / "usr" / "bin" / "consul"
        version = version_of(binary)
        if version is None:
            raise AptError("the fetched binary does not run on this machine")
        # The digest goes first: a crash between the two renames leaves a pair that does not match and is fetched anew.
        digest = Path(work) / "consul.sha256"
        digest.write_text(_digest(binary) + "\n", "utf-8")
        digest.replace(cache / "consul.sha256")
        binary.replace(cache / "consul")
    _say(f"Consul {version} is in {cache}")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
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
                _say("another process is fetching Consul; waiting for it")
                told = True
            time.sleep(0.2)
        yield


def _say(line: str) -> None:
    print(f"consul: {line}", file=sys.stderr, flush=True)
