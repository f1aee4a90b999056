"""What `mesh idl check` says: everything that keeps a contract from loading, and what a reviewer would say besides.

One rule: an error is what the loader refuses, no more and no less; everything that is a matter of taste or of promises
not yet made is a warning.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mesh.contract import grammar, syntax
from mesh.contract.loader import Loader, Unit
from mesh.contract.problem import ContractError, Finding, Findings
from mesh.contract.sources import Files

MAX_LISTED = 10_000  # contracts in one folder: more is a wrong folder, as in `mesh idl check /`

_UPPER_CAMEL = re.compile(r"[A-Z][A-Za-z0-9]*")
_LOWER = re.compile(r"[a-z][a-z0-9_]*|[a-z][A-Za-z0-9]*")
_MEMBER = re.compile(r"[A-Z][A-Z0-9_]*|[A-Z][A-Za-z0-9]*")


def lint(paths: Iterable[str | Path], include_dirs: Iterable[str | Path] = ()) -> list[Finding]:
    """All findings in files and folders (all `.thrift` files below), in the order of the files and their lines.

    What is wrong in an included file is reported once, under that file. Raises ContractError for a folder without any.
    """
    files = Files(include_dirs)
    loader = Loader(files)
    found: dict[Finding, None] = {}
    for path in some_contract_files(paths):
        found.update(dict.fromkeys(_lint_file(path, files, loader)))
    return sorted(found, key=lambda item: (item.file, item.line, item.level))


def contract_files(paths: Iterable[str | Path]) -> list[Path]:
    """The `.thrift` files that `paths` name, those in folders sorted. A file that is not there stays in the list."""
    listed: list[Path] = []
    for path in map(Path, paths):
        below = list(itertools.islice(path.rglob("*.thrift"), MAX_LISTED + 1)) if path.is_dir() else [path]
        if len(below) > MAX_LISTED:
            raise ContractError(str(path), 0, f"more than {MAX_LISTED} contracts in this folder")
        listed.extend(sorted(below))
    return listed


def some_contract_files(paths: Iterable[str | Path]) -> list[Path]:
    """`contract_files`, where each folder has at least one: a check of none would find nothing wrong.

    Raises ContractError.
    """
    listed: list[Path] = []
    for path in paths:
        found = contract_files([path])
        if not found:
            raise ContractError(str(path), 0, "no .thrift file in this folder or below it")
        listed.extend(found)
    return listed


def _lint_file(path: Path, files: Files, loader: Loader) -> Iterator[Finding]:
    try:
        source = files.open(path)
        document = grammar.parse(source.text, source.shown)
    except ContractError as error:
        yield from error.findings
        return
    findings = Findings(source.shown)
    _names(document, findings)
    try:
        _promises(loader.load(source), findings)
    except ContractError as error:
        yield from error.findings
    yield from findings.items


def _names(document: syntax.Document, findings: Findings) -> None:
    for node in document.definitions:
        if isinstance(node, syntax.StructNode):
            _expect(_UPPER_CAMEL, node, f"{node.kind} {node.name}", "UpperCamel, as in QuoteRequest", findings)
            _fields(node.fields, "field", findings)
        elif isinstance(node, syntax.EnumNode):
            _expect(_UPPER_CAMEL, node, f"enum {node.name}", "UpperCamel, as in TripState", findings)
            for item in node.items:
                _expect(_MEMBER, item, f"member {item.name}", "UPPER or Camel, as in IN_USE or InUse", findings)
        elif isinstance(node, syntax.ServiceNode):
            _expect(_UPPER_CAMEL, node, f"service {node.name}", "UpperCamel, as in Pricing", findings)
            for function in node.functions:
                _expect(_LOWER, function, f"method {function.name}", "lower_case or lowerCamel", findings)
                _fields(function.parameters, "parameter", findings)


def _fields(nodes: Iterable[syntax.FieldNode], kind: str, findings: Findings) -> None:
    for node in nodes:
        _expect(_LOWER, node, f"{kind} {node.name}", "lower_case or lowerCamel", findings)


Named = syntax.Definition | syntax.EnumItem | syntax.FunctionNode | syntax.FieldNode


def _expect(pattern: re.Pattern[str], node: Named, what: str, style: str, findings: Findings) -> None:
    if not pattern.fullmatch(node.name):
        findings.warning(node.line, f"{what}: names like this are written {style}")


def _promises(unit: Unit, findings: Findings) -> None:
    """Warnings about SLAs, for the methods that this file itself defines."""
    for node in unit.document.definitions:
        if not isinstance(node, syntax.ServiceNode):
            continue
        methods = unit.contract.services[node.name].methods
        for function in node.functions:
            policy = methods[function.name].policy
            if not policy.sla.stated and not function.oneway:
                findings.warning(function.line, f"{node.name}.{function.name} promises nothing: state sla.p99_ms")
            if policy.sla.p99_ms is not None and policy.sla.p99_ms > policy.timeout_ms:
                findings.warning(
                    function.line,
                    f"{node.name}.{function.name}: sla.p99_ms = {policy.sla.p99_ms:g} is beyond the deadline of "
                    f"{policy.timeout_ms} ms: a call that takes as long has failed",
                )
