"""`.thrift` files to contracts: includes followed, everything checked, classes made.

One rule: a `Contract` that exists is sound. Whatever is wrong in a file or in one that it includes is a
`ContractError` with file, line and reason, and nothing half-made is left behind.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mesh.contract import classes, grammar, syntax
from mesh.contract.build import FileBuilder
from mesh.contract.digest import digest_of
from mesh.contract.model import Constant, Contract, Service
from mesh.contract.problem import ContractError, Findings
from mesh.contract.scope import Scope
from mesh.contract.services import ServiceBuilder, ServiceDefinition, service_model
from mesh.contract.sources import Files, Source, Sources, Texts, include_fault

MAX_FILES = 500  # files of one contract, includes included: ten times the largest that anybody was seen to have
MAX_DEPTH = 64  # includes inside includes; reading them recurses


@dataclass(frozen=True, slots=True)
class Unit:
    """One loaded file."""

    source: Source
    document: syntax.Document
    builder: FileBuilder
    includes: Mapping[str, Unit]  # by the path written in the include
    services: Mapping[type, ServiceDefinition]  # those of included files too
    contract: Contract


class Loader:
    """Loads files that share their includes: one file, one module, however often and from wherever it is included.

    `package` is the Python package that modules of files in `folders` belong to (for `mesh.contracts`).
    """

    def __init__(
        self, sources: Sources, *, package: str | None = None, folders: Iterable[Path] = (), foreign: bool = False
    ) -> None:
        self._sources = sources
        self._package = package
        self._folders = frozenset(folders)
        self._foreign = foreign
        self._units: dict[str, Unit] = {}
        self._stack: list[Source] = []

    def load(self, source: Source) -> Unit:
        """Raises ContractError."""
        if source.key in self._units:
            return self._units[source.key]
        if len(self._units) + len(self._stack) >= MAX_FILES:
            raise ContractError(source.shown, 0, f"more than {MAX_FILES} files in one contract")
        if len(self._stack) >= MAX_DEPTH:
            raise ContractError(source.shown, 0, f"more than {MAX_DEPTH} includes inside each other")
        self._stack.append(source)
        try:
            unit = self._load(source)
        finally:
            self._stack.pop()
        self._units[source.key] = unit
        return unit

    def _load(self, source: Source) -> Unit:
        document = grammar.parse(source.text, source.shown)
        findings = Findings(source.shown)
        includes = self._includes(source, document, findings)
        findings.raise_errors()
        by_stem = {unit.source.stem: unit for unit in includes.values()}
        module = self._module(source, by_stem)
        scope = Scope(source.stem, module, {stem: unit.builder.scope for stem, unit in by_stem.items()}, findings)
        builders = {stem: unit.builder for stem, unit in by_stem.items()}
        builder = FileBuilder(document, scope, builders, findings, foreign=self._foreign)
        builder.build()
        services = ServiceBuilder(builder)
        known = {cls: item for unit in includes.values() for cls, item in unit.services.items()}
        services.build(known)
        findings.raise_errors()
        builder.bind()
        contract = _contract(source, builder, services.definitions, by_stem)
        unit = Unit(source, document, builder, includes, {**known, **services.definitions}, contract)
        _set_texts(unit)
        return unit

    def _includes(self, source: Source, document: syntax.Document, findings: Findings) -> dict[str, Unit]:
        units: dict[str, Unit] = {}
        stems: dict[str, str] = {}
        for node in document.includes:
            fault = include_fault(node.path)
            found = None if fault else self._sources.include(source, node.path)
            if fault is None and found is None:
                fault = f"include {node.path!r} is not there (looked beside this file and in the include directories)"
            if found is not None:
                fault = self._circle(found) or _same_stem(found, node, stems)
            if fault or found is None:
                findings.error(node.line, fault or "")
                continue
            stems[found.stem] = found.key
            units[node.path] = self.load(found)
        return units

    def _circle(self, source: Source) -> str | None:
        keys = [item.key for item in self._stack]
        if source.key not in keys:
            return None
        names = [item.shown for item in self._stack[keys.index(source.key) :]]
        return f"includes in a circle: {' > '.join([*names, source.shown])}"

    def _module(self, source: Source, includes: Mapping[str, Unit]) -> ModuleType:
        ours = self._package is not None and source.path.parent in self._folders
        name = f"{self._package}.{source.stem}" if ours else source.stem
        module = classes.new_module(name, source.key, f"The contract of {posixpath.basename(source.shown)}.")
        for stem, unit in includes.items():
            setattr(module, stem, unit.contract.module)
            module.__thrift_meta__["includes"].append(unit.contract.module)
        return module


def _same_stem(source: Source, node: syntax.IncludeNode, stems: Mapping[str, str]) -> str | None:
    if stems.get(source.stem, source.key) != source.key:
        return f"include {node.path!r}: another file of the name {source.stem!r} is included here already"
    return None


def _contract(
    source: Source,
    builder: FileBuilder,
    definitions: Mapping[type, ServiceDefinition],
    includes: Mapping[str, Unit],
) -> Contract:
    scope = builder.scope
    services: dict[str, Service] = {}
    constants = {
        node.name: Constant(*builder.constants.constant(node.line, node.name))
        for node in scope.nodes.values()
        if isinstance(node, syntax.ConstNode)
    }
    contract = Contract(
        name=source.stem,
        path=source.path,
        module=scope.module,
        services=services,
        structs={name: cls for name, cls in scope.classes.items() if hasattr(cls, "thrift_spec")},
        enums={name: cls for name, cls in scope.classes.items() if hasattr(cls, "_NAMES_TO_VALUES")},
        constants=constants,
        typedefs=dict(scope.typedefs),
        includes={stem: unit.contract for stem, unit in includes.items()},
        texts={},
        entry_point="",
        digest="",
    )
    for definition in sorted(definitions.values(), key=lambda item: item.node.line):
        services[definition.node.name] = service_model(definition, contract)
    # Services and their contract point at each other, so the digest over them comes last.
    object.__setattr__(contract, "digest", digest_of(contract))
    vars(scope.module)["__mesh_contract__"] = contract
    for cls in (*scope.classes.values(), *scope.services.values()):
        cls.__mesh_contract__ = contract  # type: ignore[attr-defined]
    return contract


def _set_texts(unit: Unit) -> None:
    """Texts under names from which each include finds its file again, whatever folder they are put into."""
    found: dict[str, str] = {}
    waiting = [(unit.source.name, unit)]
    while waiting:
        name, item = waiting.pop()
        if name in found:
            continue
        found[name] = item.source.text
        folder = posixpath.dirname(name)
        waiting.extend(
            (posixpath.normpath(posixpath.join(folder, path)), other) for path, other in item.includes.items()
        )
    up = max(name.count("../") for name in found)
    parents = unit.source.path.parent.parts[-up:] if up else ()
    prefix = "/".join((*("up",) * (up - len(parents)), *(part.strip("/\\:") or "up" for part in parents)))
    texts = {posixpath.normpath(posixpath.join(prefix, name)): text for name, text in found.items()}
    entry_point = posixpath.join(prefix, unit.source.name)
    object.__setattr__(unit.contract, "texts", texts)
    object.__setattr__(unit.contract, "entry_point", entry_point)


def load(path: str | Path, include_dirs: Iterable[str | Path] = ()) -> Contract:
    """Loads one file and what it includes. Every call makes new classes; within one, a file is loaded once.

    Raises ContractError: `FILE:LINE: reason`.
    """
    files = Files(include_dirs)
    return Loader(files).load(files.open(path)).contract


def load_texts(texts: Mapping[str, str], entry_point: str) -> Contract:
    """Loads texts by relative path, as a server's Meta::thriftIDL sends them. They come from a stranger: nothing
    touches the disk, size and number are limited, and annotations that mesh does not know pass.

    Raises ContractError.
    """
    sources = Texts(texts)
    return Loader(sources, foreign=True).load(sources.open(entry_point)).contract


def service_of(thrift_class: type) -> Service:
    """The service of a class out of a contract's module, as in `service_of(pricing.Pricing)`. Raises TypeError."""
    service = vars(thrift_class).get("__mesh_service__") if isinstance(thrift_class, type) else None
    if not isinstance(service, Service):
        raise TypeError(f"{thrift_class!r} is no service of a contract; pass the class, as in pricing.Pricing")
    return service


def contract_of(thing: Any) -> Contract:
    """The contract of a module, or of any class in it (service, struct, exception, enum). Raises TypeError."""
    held = vars(thing) if isinstance(thing, (type, ModuleType)) else {}
    contract = held.get("__mesh_contract__")
    if not isinstance(contract, Contract):
        raise TypeError(f"{thing!r} belongs to no contract; pass its module or a class of it, as in pricing.Pricing")
    return contract
