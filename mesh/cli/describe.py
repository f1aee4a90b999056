"""`mesh describe SERVICE`: its methods with types, policy and promises, as the contract says them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from mesh.cli import call, contracts
from mesh.cli.exits import OK, CommandError
from mesh.cli.output import print_json, print_line
from mesh.cli.table import columns
from mesh.contract.jsonform import description
from mesh.contract.jsonform.spec import kind_of
from mesh.contract.model import Contract, Field, Method
from mesh.errors import MeshError

_HEAD = ("method", "timeout", "attempts", "idempotent", "priority", "p50", "p99", "availability", "deprecated")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("describe", help="a service's methods with types, policy and SLA")
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="its name in the registry; not needed with --idl")
    call.add_target(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    contract = await _contract(args)
    if args.json:
        print_json(description.describe(contract))
        return OK
    for block in as_text(contract):
        for line in block.split("\n"):
            print_line(line)
    return OK


async def _contract(args: argparse.Namespace) -> Contract:
    if args.idl is not None:
        return contracts.from_file(args.idl)
    if args.service is None:
        raise CommandError("say which SERVICE, or --idl FILE", advice="mesh list shows the services")
    async with call.node_for(args) as node:
        try:
            return await contracts.from_server(node, args.service, args.peer)
        except MeshError as error:
            await call.explain(node, error, args)
            raise


def as_text(contract: Contract) -> Iterator[str]:
    """The contract for people: its methods, a table of what was promised, its types."""
    yield f"contract {contract.name}  digest {contract.digest[:16]}"
    for service in contract.services.values():
        owner = f"  owner {service.owner}" if service.owner else ""
        extends = f"  extends {service.extends}" if service.extends else ""
        yield f"\nservice {service.name}  called {service.registry_name}{owner}{extends}\n"
        for method in service.methods.values():
            yield f"  {signature(method)}"
        yield "\n" + columns(_HEAD, [_row(method) for method in service.methods.values()])
    structs, enums = description.types_of(contract.services.values())
    for name, struct in structs.items():
        yield f"\n{kind_of(struct)} {name}"
        yield from (f"  {field_text(field)}" for field in struct.__mesh_fields__)
    for name, members in enums.items():
        pairs = ", ".join(f"{key} = {number}" for key, number in members.items())
        yield f"\nenum {name}  {pairs}"


def signature(method: Method) -> str:
    """`Pricing::quote(QuoteRequest request) -> Quote  throws BadRoute (fault: caller)`."""
    takes = ", ".join(f"{field.type} {field.name}" for field in method.parameters)
    gives = "oneway" if method.oneway else method.result or "void"
    throws = ", ".join(f"{line.exception.__name__} (fault: {line.fault.value})" for line in method.throws)
    return f"{method.wire_name}({takes}) -> {gives}" + (f"  throws {throws}" if throws else "")


def field_text(field: Field) -> str:
    """`1: required double km = 1.0  (min 0, max 300)`."""
    demand = {True: "required ", False: "optional ", None: ""}[field.required]
    default = f" = {field.default!r}" if field.default is not None else ""
    rules = [
        f"{name} {value}"
        for name, value in (
            ("min", _plain(field.min)),
            ("max", _plain(field.max)),
            ("max_length", field.max_length),
            ("pattern", field.pattern),
            ("deprecated:", field.deprecated),
        )
        if value is not None
    ]
    if field.pii:
        rules.insert(0, "pii")
    return f"{field.id}: {demand}{field.type} {field.name}{default}" + (f"  ({', '.join(rules)})" if rules else "")


def _row(method: Method) -> tuple[object, ...]:
    policy, sla = method.policy, method.policy.sla
    attempts = f"{policy.attempts} of {policy.attempt_timeout_ms} ms" + (", hedged" if policy.hedge else "")
    days = sla.window_s / 86400
    return (
        method.name,
        f"{policy.timeout_ms} ms",
        attempts,
        "yes" if policy.idempotent else "no",
        policy.priority.value,
        f"{sla.p50_ms:g} ms" if sla.p50_ms is not None else None,
        f"{sla.p99_ms:g} ms" if sla.p99_ms is not None else None,
        f"{sla.availability:g} % over {days:g} d" if sla.stated else "none promised",
        policy.deprecated,
    )


def _plain(number: float | None) -> str | None:
    return None if number is None else f"{number:.15g}"
