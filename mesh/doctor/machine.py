"""The machine: Python and what is installed in it, limits, disk, loopback."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import socket
import sys
from importlib import metadata

from mesh.doctor.finding import Finding, Patient, fail, ok, warn

DISTRIBUTION = "thriftmesh"
OLDEST = (3, 11)
# A node holds a connection per peer, one per watched service and a few files: 256 is a small system's default and ends
# with the first larger fleet; beyond 4096 it takes thousands of callers.
FDS_FAIL, FDS_WARN = 256, 4096
DISK_FAIL, DISK_WARN = 100 << 20, 1 << 30  # a cluster of twelve writes 240 MB of logs at the most, and its data
INODES_WARN = 10_000
CONNECT_S = 2.0


def python(patient: Patient) -> Finding:
    version = platform.python_version()
    what = f"{platform.python_implementation()} {version} at {sys.executable}"
    if sys.version_info < OLDEST:
        return fail(what, f"use Python {OLDEST[0]}.{OLDEST[1]} or later", version=version)
    missing = _missing()
    if missing:
        return fail(
            f"{what}; not installed: {', '.join(missing)}",
            f"python -m pip install --force-reinstall {DISTRIBUTION}",
            version=version,
            missing=missing,
        )
    if hasattr(sys, "gettotalrefcount"):
        return warn(f"{what} is a debug build", "it runs, several times slower: measure with another", version=version)
    return ok(what, version=version)


def _missing() -> list[str]:
    """What this distribution requires (without extras) and this environment does not have."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []  # run from a checkout that is not installed
    names = [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required if "extra ==" not in line]
    return [name for name in names if not _installed(name)]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def uvloop(patient: Patient) -> Finding:
    version = _installed("uvloop")
    try:
        import uvloop as loop
    except ImportError as error:
        reason = f"uvloop {version} cannot be imported: {error}" if version else "uvloop is not installed"
        return warn(f"{reason}: asyncio's own loop serves, with 4 to 11 % more CPU", "pip install 'thriftmesh[fast]'")
    loop.new_event_loop().close()
    return ok(f"uvloop {version}", version=version)


def descriptors(patient: Patient) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    what = f"{shown} open files a process"
    if soft == resource.RLIM_INFINITY or soft >= FDS_WARN:
        return ok(what, soft=soft, hard=hard)
    can = "ulimit -n 65536" if hard == resource.RLIM_INFINITY or hard >= 65_536 else f"ulimit -n {hard}"
    do = f"{can} in the shell that starts it (LimitNOFILE= in a systemd unit)"
    return (fail if soft <= FDS_FAIL else warn)(f"{what}: a connection takes one", do, soft=soft, hard=hard)


def disk(patient: Patient) -> Finding:
    """Where the project's `.mesh` folder stands, or will."""
    folder = next(path for path in (patient.folder.resolve(), *patient.folder.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    inodes = os.statvfs(folder).f_favail
    what = f"{free / (1 << 30):.1f} GiB free in {folder}"
    facts = {"folder": str(folder), "free_bytes": free, "free_inodes": inodes}
    if not os.access(folder, os.W_OK):
        return fail(f"{folder} is not writable", "mesh up keeps logs and data there: run it as its owner", **facts)
    if free < DISK_WARN:
        return (fail if free < DISK_FAIL else warn)(what, "make room: logs and databases are written there", **facts)
    if os.statvfs(folder).f_files > 0 and inodes < INODES_WARN:
        return warn(f"{what}, but only {inodes} inodes", "remove small files", **facts)
    return ok(what, **facts)


def loopback(patient: Patient) -> Finding:
    """A dev cluster lives on it."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(CONNECT_S)
            with socket.create_connection(server.getsockname()[:2], timeout=CONNECT_S):
                server.accept()[0].close()
    except OSError as error:
        return fail(f"127.0.0.1 does not answer: {error}", "bring it up (ip link set lo up); look at firewall rules")
    try:
        named = {str(found[4][0]) for found in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    except OSError as error:
        return warn(f"localhost has no address: {error}", "add '127.0.0.1 localhost' to /etc/hosts")
    strange = sorted(named - {"127.0.0.1", "::1"})
    if strange:
        return warn(f"localhost is {', '.join(strange)}", "let it be 127.0.0.1 in /etc/hosts", addresses=strange)
    return ok("127.0.0.1 answers", localhost=sorted(named))
