"""`.pyi` files beside their contracts: written, or checked for being fresh.

One rule: a stub that is right already is not touched, so that a build changes nothing for its own sake.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mesh.contract.lint import some_contract_files
from mesh.contract.loader import Loader
from mesh.contract.problem import ContractError
from mesh.contract.scope import name_fault
from mesh.contract.sources import Files
from mesh.contract.stubs import stub_of


class StubState(enum.StrEnum):
    FRESH = "fresh"  # nothing to do
    WRITTEN = "written"
    STALE = "stale"  # it is not what the contract says, and was only to be checked
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Stub:
    """What came of one contract's stub."""

    path: Path
    state: StubState


def build_stubs(
    paths: Iterable[str | Path], *, check: bool = False, include_dirs: Iterable[str | Path] = ()
) -> Iterator[Stub]:
    """Writes the stub of each contract in `paths` (files, or folders with all below them); `check` only looks.

    Raises ContractError for a contract that cannot be loaded or whose file name is no Python name, and OSError when a
    stub cannot be written.
    """
    files = Files(include_dirs)
    loader = Loader(files)
    for file in some_contract_files(paths):
        fault = name_fault(file.name.removesuffix(".thrift"))
        if fault:
            raise ContractError(str(file), 0, f"cannot be imported: {fault}; rename the file")
        text = stub_of(loader.load(files.open(file)).contract)
        yield _build(file.with_suffix(".pyi"), text, check)


def _build(path: Path, text: str, check: bool) -> Stub:
    there = path.is_file()
    if there and path.read_text("utf-8") == text:
        return Stub(path, StubState.FRESH)
    if check:
        return Stub(path, StubState.STALE if there else StubState.MISSING)
    half = path.with_name(f".{path.name}.{os.getpid()}")  # a build that is killed leaves no half stub
    half.write_text(text, "utf-8")
    half.replace(path)
    return Stub(path, StubState.WRITTEN)
