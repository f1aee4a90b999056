"""What goes to stdout and to people: text that a terminal can be trusted with, JSON that any program can read.

One rule: what came from a server or a registry is shown, never obeyed: control characters are escaped.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from mesh.logs import JSON_ESCAPES, escape_controls


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """One JSON value on stdout, in ASCII where stdout can write nothing else."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(value, indent=indent, ensure_ascii=not utf8).translate(JSON_ESCAPES))


def print_line(text: str, *, error: bool = False) -> None:
    """One line for people, on stdout or stderr."""
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(escape_controls(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)
