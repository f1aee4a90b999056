"""The files of a new project and of a new service, as texts by their paths.

One rule: what is written is what stands in `templates/`, with the words in double braces filled in. In a path SERVICE
is the service's name and `dot-` a leading dot; `.tmpl` goes, which keeps linters and importers away from the originals.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from mesh.contract import load_texts
from mesh.contract.stubs import stub_of
from mesh.version import VERSION

_WORD = re.compile(r"\{\{(\w+)\}\}")


class Kind(enum.StrEnum):
    """The folders in `templates/`."""

    PROJECT = "project"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Values:
    """What the words stand for; `{{Service}}` is `camel`, and `{{version}}` is the toolkit's own."""

    project: str
    service: str
    camel: str
    owner: str


def render(kind: Kind, values: Values) -> dict[str, str]:
    """Texts by path with slashes, relative to the project; each contract's `.pyi` among them."""
    words = {
        "project": values.project,
        "service": values.service,
        "Service": values.camel,
        "owner": values.owner,
        "version": VERSION,
    }
    files: dict[str, str] = {}
    for path, text in _originals(resources.files("mesh.scaffold") / "templates" / kind, ""):
        name = path.removesuffix(".tmpl").replace("SERVICE", values.service).replace("dot-", ".")
        files[name] = _WORD.sub(lambda found: words[found[1]], text)
        if name.endswith(".thrift"):
            entry = name.rpartition("/")[2]
            files[name.replace(".thrift", ".pyi")] = stub_of(load_texts({entry: files[name]}, entry))
    return dict(sorted(files.items()))


def _originals(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _originals(entry, f"{path}/")
        elif entry.name.endswith(".tmpl"):
            yield path, entry.read_text(encoding="utf-8")
