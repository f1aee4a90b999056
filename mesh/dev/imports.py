"""Which files a program needs, read out of its import statements.

One rule: nothing is run. The text says it before the program has started once, and while it cannot start. What only a
running program knows (a module whose name it computes, a template that it opens) is stated by hand: `watch` of the
service in cluster.toml.

A package's contracts count as its modules (`mesh.contracts`): `from idl import pricing` needs `idl/pricing.thrift`, and
what that includes. Imports below `if TYPE_CHECKING:` never happen and do not count.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mesh.dev.tree import MAX_SOURCE_BYTES, SUFFIXES, Files, Stamp

_INCLUDE = re.compile(r"""^[ \t]*include[ \t]+["']([^"']+)["']""", re.MULTILINE)


class Imports:
    """Keeps what each file names for as long as the file stays as it is. `roots` is where names are looked up, as in
    PYTHONPATH."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._read: dict[Path, tuple[Stamp, tuple[str, ...]]] = {}
        self._needed: dict[Path, tuple[Stamp, tuple[Path, ...]]] = {}
        self._there: frozenset[Path] = frozenset()
        self._modules: dict[str, list[Path]] = {}  # dotted name -> its file in each root that has it

    def module(self, name: str, files: Files) -> tuple[Path, ...]:
        """The files that `python -m name` begins with: the module or the package's `__main__`, and the packages around.

        Empty when it is none of the project's.
        """
        self._index(files)
        return tuple(path for one in (name, f"{name}.__main__") for path in self._files_of(one))

    def closure(self, entries: Iterable[Path], files: Files) -> frozenset[Path]:
        """`entries` and all that they need of `files`, at first or second hand."""
        self._index(files)
        seen: set[Path] = set()
        waiting = [path for path in entries if path in files]
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                waiting.extend(self._needs(path, files))
        return frozenset(seen)

    def _index(self, files: Files) -> None:
        """Notes which modules there are; what was found by the names of others counts no longer when that changes."""
        if files.keys() == self._there:
            return
        self._there = frozenset(files)
        self._needed.clear()
        self._modules.clear()
        for root in self._roots:
            top = f"{root}/"
            for path in files:
                text = str(path)
                if text.startswith(top) and path.suffix in SUFFIXES:
                    name = text[len(top) : -len(path.suffix)].replace("/", ".").removesuffix(".__init__")
                    self._modules.setdefault(name, []).append(path)

    def _needs(self, path: Path, files: Files) -> tuple[Path, ...]:
        stamp = files[path]
        known = self._needed.get(path)
        if known is None or known[0] != stamp:
            names = self._names(path, stamp)
            if path.suffix == ".thrift":
                found = [beside for name in names if (beside := _beside(path, name)) in files]
            else:
                found = [needed for name in names for needed in self._files_of(name)]
            known = self._needed[path] = (stamp, tuple(dict.fromkeys(found)))
        return known[1]

    def _names(self, path: Path, stamp: Stamp) -> tuple[str, ...]:
        """Names of modules, or of included contracts. A file that cannot be read as a program has those of before."""
        known = self._read.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        names = known[1] if known is not None else ()
        try:
            if stamp[1] > MAX_SOURCE_BYTES:
                names = ()
            elif path.suffix == ".thrift":
                names = tuple(_INCLUDE.findall(path.read_text("utf-8", "replace")))
            elif path.suffix == ".py":
                names = tuple(dict.fromkeys(_imported(path.read_bytes(), self._package_of(path))))
        except (OSError, SyntaxError, ValueError, RecursionError):
            pass  # `check` tells what is wrong with it
        self._read[path] = (stamp, names)
        return names

    def _package_of(self, path: Path) -> str:
        """The dotted name of the package that a file is in, for relative imports."""
        for root in self._roots:
            if path.is_relative_to(root):
                return ".".join(path.relative_to(root).parent.parts)
        return ""

    def _files_of(self, name: str) -> Iterator[Path]:
        """The file of the module `name`, and the `__init__.py` of each package on the way."""
        end = 0
        while end != -1:
            end = name.find(".", end + 1)
            yield from self._modules.get(name if end == -1 else name[:end], ())


def _imported(source: bytes, package: str) -> Iterator[str]:
    """Each name that may be a module's. Raises SyntaxError, ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is no business of ours
        waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base:
                yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call):
            yield from _import_module(node)
        if isinstance(node, ast.If) and _type_checking(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _base(node: ast.ImportFrom, package: str) -> str:
    """The package that the names of a `from` are looked up in."""
    if not node.level:
        return node.module or ""
    around = package.split(".") if package else []
    kept = around[: len(around) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _import_module(node: ast.Call) -> Iterator[str]:
    """`import_module("a.b")`: a name that stands there as text."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "import_module" and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
            yield first.value


def _type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _beside(path: Path, include: str) -> Path:
    return Path(*(path.parent / include).parts) if ".." not in include else (path.parent / include).resolve()
