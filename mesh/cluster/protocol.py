"""What a command and a running cluster say to each other over the control socket `.mesh/NAME/control.sock`.

One connection, one request. Both sides write JSON objects, a line each, UTF-8:

    -> {"version": 1, "command": "restart", "arguments": {"names": ["pricing"]}}
    <- {"progress": "pricing-1: starting a new process beside pid 4711"}        any number of these
    <- {"result": {...}}   or   {"error": "text", "code": 1}                    the last one

Closing the connection before the last line means that whoever asked has gone: what is under way is given up.

One rule: who may open the socket may do everything, so only its owner may (mode 0600); and whatever comes over it is
bounded in size and time all the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
FILE = "control.sock"
MAX_REQUEST = 64 * 1024  # bytes; names and counts of a few dozen services
MAX_ANSWER = 4 * 1024 * 1024  # bytes of one line; 50 instances take 30 KB in `ps`
REQUEST_S = 5.0  # a command writes its request in the same millisecond in which it connects
ANSWERING_S = 5.0  # for a reader who does not read
# sun_path of unix(7) has 108 bytes on Linux and 104 on macOS, the zero at the end included.
MAX_PATH = 100

COMMANDS = ("ps", "ready", "restart", "scale", "down")


class ProtocolError(Exception):
    """What came is no message of this protocol; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command and what it needs to know."""

    command: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        return encode({"version": VERSION, "command": self.command, "arguments": self.arguments})


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Raises ProtocolError."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError(f"no JSON: {line[:60]!r}") from None
    if not isinstance(message, dict):
        raise ProtocolError(f"no JSON object: {line[:60]!r}")
    return message


def request(line: bytes) -> Request:
    """Raises ProtocolError."""
    if not line.endswith(b"\n"):
        raise ProtocolError("the request has no end")
    message = decode(line)
    version = message.get("version")
    if version != VERSION:
        raise ProtocolError(f"version {version!r}; this cluster speaks version {VERSION}: restart it with this mesh")
    command, arguments = message.get("command"), message.get("arguments", {})
    if not isinstance(command, str) or command not in COMMANDS:
        raise ProtocolError(f"unknown command {str(command)[:60]!r}; known: {', '.join(COMMANDS)}")
    if not isinstance(arguments, dict):
        raise ProtocolError("arguments must be an object")
    return Request(command, arguments)


def socket_path(run: Path) -> Path:
    """Where the socket of the cluster in `run` (`.mesh/NAME`) is: there, or in the user's own folder among the
    temporary ones where that path is too long for a socket. Raises OSError when that folder is somebody else's.
    """
    path = run / FILE
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"mesh-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{folder} must be a folder of yours that nobody else can enter (chmod 700)")
    return folder / f"{hashlib.sha256(os.fsencode(run)).hexdigest()[:24]}.sock"
