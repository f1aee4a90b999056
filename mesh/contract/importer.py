"""`mesh.contracts(__name__)` in a package's `__init__.py`: each `.thrift` beside it is a module of the package.

One rule: a file is one module, whoever asks for it first. Includes between the package's files are the same modules as
`from idl import geo` gives, so that a `geo.Point` fits wherever one is asked for.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from mesh.contract.loader import Loader
from mesh.contract.problem import ContractError
from mesh.contract.sources import Files


class ContractImportError(ImportError):
    """A contract cannot be imported because it is broken; the text is that of its ContractError (`__cause__`)."""


class _ContractLoader(importlib.abc.Loader):
    """Makes the module of one `.thrift` file."""

    def __init__(self, package: _Package, file: Path) -> None:
        self._package = package
        self._file = file

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        try:
            return self._package.module(self._file)
        except ContractError as error:
            raise ContractImportError(str(error), name=spec.name, path=str(self._file)) from error

    def exec_module(self, module: ModuleType) -> None:
        """The module is complete once it is made."""


class _Package:
    """The contracts of one package. Modules are made under a lock, as imports may come from several threads."""

    def __init__(self, folders: Sequence[Path], name: str) -> None:
        self.folders = folders
        self._files = Files(folders)
        self._loader = Loader(self._files, package=name, folders=[folder.resolve() for folder in folders])
        self._lock = threading.Lock()

    def find(self, stem: str) -> Path | None:
        for folder in self.folders:
            file = folder / f"{stem}.thrift"
            if file.is_file():
                return file
        return None

    def module(self, file: Path) -> ModuleType:
        with self._lock:
            return self._loader.load(self._files.open(file)).contract.module


class _Finder(importlib.abc.MetaPathFinder):
    """Python's import system asks here last, so a `.py` of the same name wins."""

    def __init__(self) -> None:
        self.packages: dict[str, _Package] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        parent, _, stem = fullname.rpartition(".")
        package = self.packages.get(parent)
        file = package.find(stem) if package else None
        if package is None or file is None:
            return None
        loader = _ContractLoader(package, file)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


_finder = _Finder()  # sys.meta_path is the process's own, so this is too


def contracts(package: str) -> None:
    """Makes each `.thrift` file beside the package's `__init__.py` importable: `from idl import pricing`.

    Call it there, with `__name__`. A broken file raises ContractImportError when it is imported, not before.
    Raises TypeError when `package` is not the name of a package that is being imported.
    """
    module = sys.modules.get(package)
    folders = list(getattr(module, "__path__", ()))
    if not folders:
        raise TypeError(f"mesh.contracts({package!r}): call it in a package's __init__.py as mesh.contracts(__name__)")
    _finder.packages[package] = _Package([Path(folder) for folder in folders], package)
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
