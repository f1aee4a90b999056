"""The contract to call by: from an IDL file, or from the server itself (Meta::thriftIDL).

One rule: names that do not exist are answered with the nearest that do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from mesh.call import OK
from mesh.cli import exits
from mesh.cli.exits import CommandError, nearest
from mesh.contract import ContractError, load, load_texts
from mesh.contract.model import Contract, Method, Service
from mesh.errors import BadRequest, MeshError, UnknownMethod, UnknownService
from mesh.node import Node
from mesh.node.meta import META, META_SERVICE


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idl", metavar="FILE", type=Path, help="the .thrift file; default: the server is asked (Meta::thriftIDL)"
    )


def from_file(path: Path) -> Contract:
    """Raises CommandError."""
    try:
        return load(path)
    except ContractError as error:
        advice = f"mesh idl check {path} shows everything that is wrong" if path.is_file() else ""
        raise CommandError(str(error), advice=advice) from None
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}") from None


async def from_server(node: Node, service: str, peers: Iterable[str] | None) -> Contract:
    """What the server says its contract is. Raises MeshError, and CommandError when it does not tell."""
    method = META_SERVICE.methods["thriftIDL"]
    reply = await node.call(method, (), service=service, peers=peers)
    if isinstance(reply.outcome, BadRequest) and reply.outcome.reason.startswith("unknown service"):
        # The wire has no code for it; this is how a mesh node words its bad request. Others get the advice below.
        raise UnknownService(reply.outcome.reason, service=service, peer=reply.outcome.peer)
    if isinstance(reply.outcome, BadRequest | UnknownMethod):
        raise CommandError(
            f"{service} does not tell its contract: {reply.outcome}",
            code=reply.outcome.kind.exit,
            advice="give it with --idl FILE",
        )
    if isinstance(reply.outcome, MeshError):
        raise reply.outcome
    assert reply.outcome is OK, "Meta::thriftIDL declares no exception"
    try:
        return load_texts(dict(reply.value.idls), reply.value.entryPoint)
    except ContractError as error:
        raise CommandError(
            f"the contract that {service} tells cannot be used: {error}",
            code=exits.NO,
            advice="give a checked one with --idl FILE",
        ) from None


def find_method(contract: Contract, name: str, service: str) -> tuple[Service, Method]:
    """`Service::method`, or the method alone where one service has it. Raises UnknownMethod."""
    services = contract.services
    thrift_name, separator, method_name = name.rpartition("::")
    if separator and thrift_name == META_SERVICE.name and thrift_name not in services:
        services = META.services
    candidates = [
        found
        for found in services.values()
        if method_name in found.methods and (found.name == thrift_name or not separator)
    ]
    if len(candidates) == 1:
        return candidates[0], candidates[0].methods[method_name]
    known = [method.wire_name for found in services.values() for method in found.methods.values()]
    if candidates:
        raise UnknownMethod(
            f"say which: {', '.join(f'{one.name}::{method_name}' for one in candidates)}", service=service
        )
    near = nearest(name, known) or nearest(f"::{method_name}", known)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(known) or 'no methods'}"
    raise UnknownMethod(f"the contract has no such method; {hint}", service=service, method=name)
