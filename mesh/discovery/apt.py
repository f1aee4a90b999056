"""Takes one package out of the Debian archive that this machine already trusts, without root and without a trace.

One rule: the machine's own apt configuration says which archive and which keys; the project names neither. What apt
downloads goes through lists, caches and a source list of our own, and apt checks the signature and the hashes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

UPDATE_TIMEOUT_S = 180.0  # one package index, 8 MB packed; a slow line of 100 kB/s still makes it
DOWNLOAD_TIMEOUT_S = 300.0  # one package of 15 MB
UNPACK_TIMEOUT_S = 60.0
MAX_ARCHIVES = 3  # a machine with more mirrors than that does not get better by trying them all

# Keys of releases that left the support period move here; a newer release no longer lists them in its main keyring.
RETIRED_KEYS = Path("/usr/share/keyrings/debian-archive-removed-keys.gpg")

# Other suites come from other vendors; their hosts are none of our business.
_DEBIAN_RELEASES = ("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid")
_DEBIAN_SUITES = frozenset([*_DEBIAN_RELEASES, "oldoldstable", "oldstable", "stable", "testing", "unstable"])


class AptError(Exception):
    """The package cannot be had; the text is one line with the reason."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the machine takes Debian from: `uri`, and `signed_by` as its source says it (path, prints or a key)."""

    uri: str
    signed_by: str | None = None


def archives(etc: Path = Path("/etc/apt")) -> list[Archive]:
    """The Debian archives among the machine's apt sources, both formats, in apt's own order and without doubles."""
    files = [etc / "sources.list"]
    with contextlib.suppress(OSError):
        files += sorted((etc / "sources.list.d").iterdir())
    found: dict[str, Archive] = {}
    for file in files:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = file.read_text("utf-8")
            read = _stanzas if file.suffix == ".sources" else _lines
            for archive in read(text):
                found.setdefault(archive.uri, archive)
    return list(found.values())


def _lines(text: str) -> Iterator[Archive]:
    """`deb [options] uri suite component...`"""
    for line in text.splitlines():
        match = re.match(
            r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<rest>.*)", line.strip()
        )
        if not match or not _serves_debian(match["uri"], [match["suite"]], match["rest"].split()):
            continue
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        yield Archive(match["uri"].rstrip("/"), signed_by[1].replace(",", " ") if signed_by else None)


def _stanzas(text: str) -> Iterator[Archive]:
    """The deb822 format: stanzas of `Field: value`, a value going on in indented lines."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            if _serves_debian(uri, fields.get("suites", "").split(), fields.get("components", "").split()):
                yield Archive(uri.rstrip("/"), fields.get("signed-by"))


def _serves_debian(uri: str, suites: list[str], components: list[str]) -> bool:
    fetchable = uri.startswith(("http://", "https://", "file:", "mirror+", "tor+"))
    return fetchable and "main" in components and not _DEBIAN_SUITES.isdisjoint(suites)


def fetch_package(name: str, suite: str, work: Path, *, say: Callable[[str], None]) -> Path:
    """Downloads `name` of `suite` into the empty folder `work` and unpacks it; returns the unpacked tree.

    Blocks for at most some minutes (the limits above). Raises AptError.
    """
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise AptError(f"this machine has no {tool}")
    sources = archives()
    if not sources:
        raise AptError("this machine's apt sources name no Debian archive")
    reasons = []
    for number, archive in enumerate(_with_retired_keys(sources[:MAX_ARCHIVES])):
        folder = work / str(number)
        try:
            return _fetch_from(archive, name, suite, folder, say)
        except AptError as error:
            reasons.append(str(error))
    raise AptError("; ".join(dict.fromkeys(reasons)))


def _with_retired_keys(sources: list[Archive]) -> Iterator[Archive]:
    yield from sources
    if RETIRED_KEYS.exists():
        yield from (Archive(archive.uri, str(RETIRED_KEYS)) for archive in sources)


def _fetch_from(archive: Archive, name: str, suite: str, folder: Path, say: Callable[[str], None]) -> Path:
    apt = ["apt-get", "-q", "-c", str(_private_configuration(archive, suite, folder))]
    say(f"reading the package list of Debian {suite}")
    _run([*apt, "update"], folder, UPDATE_TIMEOUT_S)
    say(f"downloading {name}")
    _run([*apt, "download", name], folder, DOWNLOAD_TIMEOUT_S)
    packages = list(folder.glob(f"{name}_*.deb"))
    if len(packages) != 1:
        raise AptError(f"apt-get download left {len(packages)} packages of {name}")
    say(f"unpacking {packages[0].name}")
    tree = folder / "tree"
    _run(["dpkg", "-x", str(packages[0]), str(tree)], folder, UNPACK_TIMEOUT_S)
    return tree


def _private_configuration(archive: Archive, suite: str, folder: Path) -> Path:
    for part in ("lists/partial", "cache/archives/partial", "sources"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    signed_by = f"Signed-By: {archive.signed_by}\n" if archive.signed_by else ""
    (folder / "sources" / "only.sources").write_text(
        f"Types: deb\nURIs: {archive.uri}\nSuites: {suite}\nComponents: main\n{signed_by}", "utf-8"
    )
    configuration = folder / "apt.conf"
    # Read after the system's configuration, which may name a proxy that is needed. The suite has had its last release:
    # its date says nothing any more, while its signature is still checked. The cleared hooks refresh other programs'
    # data on an update, which would be a trace.
    configuration.write_text(
        f"""
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/sources";
Dir::State::Lists "{folder}/lists";
Dir::State::Status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::Archives "{folder}/cache/archives";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Retries "2";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
{'APT::Sandbox::User "root";' if os.geteuid() == 0 else ""}
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
""",
        "utf-8",
    )
    return configuration


def _run(command: list[str], folder: Path, timeout_s: float) -> None:
    """Runs `command` in `folder`; its whole process group ends with it, also on time-out and Ctrl-C."""
    what = " ".join(part for part in command if part in ("apt-get", "update", "download", "dpkg", "-x"))
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise AptError(f"{what} took longer than {timeout_s:.0f} s") from None
            raise
    if process.returncode != 0:
        raise AptError(f"{what} failed: {_reason(output)}")


def _reason(output: str) -> str:
    """apt's first complaint, which is the cause; what follows are its consequences."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("E:", "W:", "Err:", "dpkg"))]
    return (complaints or lines or ["it said nothing"])[0][:300]
