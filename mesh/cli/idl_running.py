"""The contracts by which a service's instances run: one text for each digest among them.

One rule: an instance that cannot be asked is told about, never left out.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mesh.cli import contracts, exits, listing, where
from mesh.cli.exits import CommandError
from mesh.cli.output import print_line
from mesh.contract.model import Contract
from mesh.discovery import Instance
from mesh.errors import MeshError
from mesh.node import Node

ASKED_AT_ONCE = 8  # texts may have megabytes
MAX_ASKED = 3  # instances of one digest; when none of three tells, the others will not
SHOWN_CHARS = 16  # of a digest


@dataclass(slots=True)
class Running:
    """Instances with one digest, and their contract or why it could not be had. `code` is the exit code for that."""

    digest: str
    instances: list[Instance] = field(default_factory=list)
    contract: Contract | None = None
    problem: str = ""
    code: int = exits.OK

    @property
    def addresses(self) -> list[str]:
        return [instance.address for instance in self.instances]


def add_options(parser: argparse.ArgumentParser) -> None:
    """SERVICE and whom to ask for it."""
    parser.add_argument("service", metavar="SERVICE", help="its name in the registry, e.g. pricing")
    where.add_options(parser)
    where.add_peer(parser)


async def running(node: Node, args: argparse.Namespace) -> list[Running]:
    """What runs of `args.service`, the contract of most instances first. Raises MeshError, CommandError when nobody
    is registered."""
    instances = await listing.instances_of(node, args)
    groups: dict[str, Running] = {}
    for instance in instances:
        # Without a digest (an address given, another implementation) each is asked by itself.
        digest = instance.meta.get("digest", "")
        group = groups.setdefault(digest or f"at {instance.address}", Running(digest))
        group.instances.append(instance)
    turn = asyncio.Semaphore(ASKED_AT_ONCE)
    await asyncio.gather(*(_ask(node, group, turn) for group in groups.values()))
    return _joined(groups.values())


async def _ask(node: Node, group: Running, turn: asyncio.Semaphore) -> None:
    for instance in group.instances[:MAX_ASKED]:
        try:
            async with turn:
                group.contract = await contracts.from_server(node, instance.service, [instance.address])
            return
        except MeshError as error:
            group.problem, group.code = str(error), error.kind.exit
        except CommandError as error:
            group.problem, group.code = str(error), error.code


def _joined(groups: Iterable[Running]) -> list[Running]:
    """One for each digest, now that those who were asked by themselves have told theirs."""
    joined: dict[str, Running] = {}
    for group in groups:
        if not group.digest and group.contract is not None:
            group.digest = group.contract.digest
        known = joined.setdefault(group.digest or group.addresses[0], group)
        if known is not group:
            known.instances.extend(group.instances)
            known.contract = known.contract or group.contract
    return sorted(joined.values(), key=lambda one: (-len(one.instances), one.addresses))


def say_unasked(groups: Sequence[Running]) -> None:
    """A line on stderr for each contract that could not be had."""
    for group in groups:
        if group.contract is None:
            print_line(f"mesh: {', '.join(group.addresses)}: {group.problem}", error=True)
