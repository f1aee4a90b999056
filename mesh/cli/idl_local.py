"""The contract that this checkout has of a service.

One rule: a service is found by its name in the registry, wherever in the folder its file stands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mesh.cli import contracts, exits
from mesh.cli.exits import CommandError, nearest
from mesh.contract import ContractError, load
from mesh.contract.lint import contract_files
from mesh.contract.model import Contract

FOLDER = Path("idl")  # where a project keeps its contracts


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idl",
        metavar="PATH",
        type=Path,
        default=FOLDER,
        help=f"the .thrift file, or a folder with all below it (default: {FOLDER})",
    )


def contract_of(service: str, path: Path) -> Contract:
    """The contract in `path` that defines `service`; a file is taken as it is. Raises CommandError."""
    if path.is_file():
        return contracts.from_file(path)
    if not path.is_dir():
        raise CommandError(f"there is no {path}", advice="say --idl with a .thrift file or a folder of them")
    known: dict[str, Contract] = {}
    broken: list[str] = []
    for file in contract_files([path]):
        try:
            contract = load(file)
        except ContractError as error:
            broken.append(str(error).splitlines()[0])
            continue
        for each in contract.services.values():
            known.setdefault(each.registry_name, contract)
    if service in known:
        return known[service]
    near = nearest(service, known)
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(sorted(known)) or 'no service'}"
    raise CommandError(
        f"no contract in {path} defines the service {service!r}; {hint}",
        code=exits.USAGE,
        advice=f"these could not be read: {'; '.join(broken)}" if broken else "",
    )
