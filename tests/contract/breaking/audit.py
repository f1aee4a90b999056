"""Apache Thrift's own comparison, `thrift --audit OLD NEW`: the compiler, and what it says.

The compiler is Debian's, found on the PATH or fetched out of the package without installing it.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mesh.discovery.program import Program

# Of one release, so that everybody compares with the same 0.17.0; it also runs on newer ones.
_THRIFT = Program("thrift", "thrift-compiler", "bookworm", "-version", re.compile(r"Thrift version (\S+)"))
_LINE = re.compile(r"^\[Thrift Audit (Failure|Warning):[^]]*\] (.*?)\s*$", re.MULTILINE)
_ID = re.compile(r"Id = (-?\d+)")


@dataclass(frozen=True, slots=True)
class Opinion:
    """One complaint. `kind` is its text without names and numbers, `name` what it is about (`f`, `Ask`, `f_args`,
    `f_exception`) and `id` the field's in that."""

    severity: str  # Failure or Warning
    kind: str
    name: str
    id: int | None


@cache
def compiler() -> Path:
    return _THRIFT.find()


# Its sentences, and what stays of them.
_KINDS = (
    (r"New Thrift File has missing function (\S+)", "missing function"),
    (r"New Thrift file is missing a service (\S+)", "missing service"),
    (r"Change in Service inheritance for (\S+)", "service inheritance"),
    (r"Return type changed for function (\S+)", "return type"),
    (r"Oneway attribute changed for function (\S+)", "oneway"),
    (r"Struct Field Type Changed for Id = \S+ in (\S+)", "field type"),
    (r"Struct Field Requiredness Changed for Id = \S+ in (\S+)", "field requiredness"),
    (r"Struct Field removed for Id = \S+ in (\S+)", "field removed"),
    (r"Required Struct Field Added for Id = \S+ in (\S+)", "required field added"),
    (r"Struct field name changed for Id = \S+ in (\S+)", "field name"),
    (r"Default value changed for Id = \S+ in (\S+)", "default"),
    (r"Struct (\S+) not found in new thrift file", "missing struct"),
    (r"Enum value \S+ missing in (\S+)", "missing enum value"),
    (r"Name of the value \S+ changed in enum (\S+)", "enum value's name"),
    (r"Enum (\S+) not found in new thrift file", "missing enum"),
    (r"Namespace (\S+) changed in new thrift file", "namespace"),
    (r"Language (\S+) not found in new thrift file", "namespace"),
    (r"Constant (\S+) has different value", "constant's value"),
    (r"Constants Missing (\S+)", "missing constant"),
    (r"Constant (\S+) is of different type", "constant's type"),
)


def audit(old: Path, new: Path) -> list[Opinion]:
    """What it says. Raises AssertionError when it says something that this module does not know, or breaks."""
    done = subprocess.run(
        [compiler(), "-Iold", old.parent, "-Inew", new.parent, "--audit", old, new],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    output = done.stdout + done.stderr
    opinions = [_opinion(severity, text) for severity, text in _LINE.findall(output)]
    assert done.returncode in (0, 2), output
    assert len(opinions) == output.count("[Thrift Audit"), output
    return opinions


def _opinion(severity: str, text: str) -> Opinion:
    found = [(kind, match) for pattern, kind in _KINDS if (match := re.fullmatch(pattern, text, re.IGNORECASE))]
    assert len(found) == 1, f"an unknown sentence of --audit: {text!r}"
    kind, match = found[0]
    number = _ID.search(text)
    return Opinion(severity, kind, match[1], int(number[1]) if number else None)
