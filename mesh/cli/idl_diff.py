"""`mesh idl diff SERVICE`: the contract here against those by which its instances run.

One rule: the contract here is the caller's. What is told is what a caller with it would feel.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from mesh.cli import call, exits, idl_local, idl_running
from mesh.cli.idl_running import SHOWN_CHARS, Running
from mesh.cli.output import print_json, print_line
from mesh.contract.compare import Change, Level, Pairing, compare
from mesh.contract.judge import breaks, line_of
from mesh.contract.model import Contract

SAME, COMPATIBLE, INCOMPATIBLE, UNKNOWN = "same", "compatible", "incompatible", "unknown"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "diff",
        help="the contract here against those of the running instances",
        description="Exit code 0 when a caller with the contract here can call every instance, 1 when it cannot.",
    )
    idl_running.add_options(parser)
    idl_local.add_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    ours = idl_local.contract_of(args.service, args.idl)
    async with call.node_for(args) as node:
        groups = await idl_running.running(node, args)
    found = [(group, _changes(ours, group)) for group in groups]
    if args.json:
        print_json(_as_dict(args.service, ours, found))
    else:
        _show(ours, found)
    if any(_verdict(ours, group, changes) == INCOMPATIBLE for group, changes in found):
        return exits.NO
    return max((group.code for group in groups if group.contract is None), default=exits.OK)


def _changes(ours: Contract, group: Running) -> list[Change]:
    return compare(ours, group.contract, pairing=Pairing.SERVER) if group.contract is not None else []


def _verdict(ours: Contract, group: Running, changes: list[Change]) -> str:
    if group.contract is None:
        return UNKNOWN
    if any(breaks(change) for change in changes):
        return INCOMPATIBLE
    return COMPATIBLE if changes else SAME


def _show(ours: Contract, found: list[tuple[Running, list[Change]]]) -> None:
    print_line(f"here: {ours.name}  digest {ours.digest[:SHOWN_CHARS]}  {ours.path}")
    for group, changes in found:
        print_line("")
        print_line(f"{_verdict(ours, group, changes)}: digest {group.digest[:SHOWN_CHARS] or 'not told'}")
        print_line(f"  runs at {', '.join(group.addresses)}")
        if group.contract is None:
            print_line(f"  {group.problem}")
        for change in changes:
            # A difference of the wire that no call feels (a type that no method reaches) is information.
            level = change.level if change.level is not Level.WIRE or breaks(change) else Level.INFO
            print_line(f"  {level}: {line_of(change)}")


def _as_dict(service: str, ours: Contract, found: list[tuple[Running, list[Change]]]) -> dict[str, Any]:
    return {
        "service": service,
        "here": {"contract": ours.name, "digest": ours.digest, "path": str(ours.path)},
        "running": [
            {
                "digest": group.digest or None,
                "instances": group.addresses,
                "verdict": _verdict(ours, group, changes),
                "problem": group.problem if group.contract is None else None,
                "changes": [asdict(change) | {"breaks": breaks(change)} for change in changes],
            }
            for group, changes in found
        ],
    }
