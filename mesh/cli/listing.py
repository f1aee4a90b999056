"""`mesh list`: what the registry knows. `mesh health SERVICE`: what each instance says of itself.

One rule: health is asked over RPC, at the instance; a registry's own idea of it may be seconds old.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mesh.call import context as scopes
from mesh.cli import call, exits, where
from mesh.cli.output import print_json
from mesh.cli.table import columns
from mesh.discovery import Instance, RegistryError
from mesh.errors import MeshError, UnknownService
from mesh.node import Node
from mesh.node.meta import META, META_SERVICE

ANY_SERVICE = "*"  # a static list of addresses does not say who serves what, and Meta is asked by service
NOT_ASKED = "not asked"
ASK_TIMEOUT_MS = 1000.0  # a healthy instance answers in one; one that needs a second is not
ASKED_AT_ONCE = 32  # connections that a listing of a large fleet opens at a time


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = subparsers.add_parser("list", help="services and their instances, with health, zone and version")
    where.add_options(listing)
    listing.add_argument("--json", action="store_true", help="print a list of objects")
    listing.set_defaults(run=run_list, peer=None)
    health = subparsers.add_parser("health", help="ask every instance of a service; exit 1 unless all are well")
    health.add_argument("service", metavar="SERVICE")
    where.add_options(health)
    where.add_peer(health)
    health.add_argument("--json", action="store_true", help="print a list of objects")
    health.set_defaults(run=run_health)


@dataclass(frozen=True, slots=True)
class Word:
    """An instance's answer to both questions of Meta::health: does it live, may calls come."""

    instance: Instance
    process: str
    traffic: str

    @property
    def ok(self) -> bool:
        return self.process == self.traffic == "ok"

    def to_dict(self) -> dict[str, Any]:
        one = self.instance
        return {
            "service": one.service,
            "instance": one.id,
            "address": one.address,
            "admin": one.admin,
            "zone": one.zone,
            "version": one.meta.get("version") or None,
            "owner": one.meta.get("owner") or None,
            "digest": one.meta.get("digest") or None,
            "suspect": one.suspect,
            "ok": self.ok,
            "process": self.process,
            "traffic": self.traffic,
        }


async def run_list(args: argparse.Namespace) -> int:
    async with call.node_for(args) as node:
        services = await _services(node)
        words = await _ask_all(node, [one for name in sorted(services) for one in services[name]])
    if args.json:
        print_json([word.to_dict() for word in words])
        return exits.OK
    if not words:
        print("no service is registered")
        return exits.OK
    print(
        columns(
            ("service", "instance", "address", "health", "zone", "version", "owner"),
            [
                (
                    word.instance.service,
                    word.instance.id,
                    word.instance.address,
                    "ok" if word.ok else word.traffic if word.process == "ok" else word.process,
                    word.instance.zone,
                    word.instance.meta.get("version"),
                    word.instance.meta.get("owner"),
                )
                for word in words
            ],
        )
    )
    return exits.OK


async def run_health(args: argparse.Namespace) -> int:
    async with call.node_for(args) as node:
        instances = await instances_of(node, args)
        words = await _ask_all(node, instances)
    if args.json:
        print_json([word.to_dict() for word in words])
    else:
        rows = [(word.instance.id, word.instance.address, word.process, word.traffic) for word in words]
        print(columns(("instance", "address", "process", "traffic"), rows))
    return exits.OK if all(word.ok for word in words) else exits.NO


async def _services(node: Node) -> dict[str, tuple[Instance, ...]]:
    assert node.registry is not None, "without --peer a registry was opened"
    try:
        return await node.registry.services()
    except RegistryError as error:
        raise where.unanswered(error) from None


async def instances_of(node: Node, args: argparse.Namespace) -> Sequence[Instance]:
    """The instances of the service that `args` name: the peers given, else the registry's. Raises UnknownService."""
    if args.peer:
        return [_at(args.service, peer) for peer in args.peer]
    services = await _services(node)
    found = services.get(args.service) or [replace(x, service=args.service) for x in services.get(ANY_SERVICE, ())]
    if not found:
        error = UnknownService(
            f"{node.registry.url if node.registry else 'it'} knows no instance", service=args.service
        )
        await call.explain(node, error, args)
        raise error
    return found


def _at(service: str, peer: str) -> Instance:
    host, _, port = peer.rpartition(":")
    return Instance(service, peer, host, int(port))


async def _ask_all(node: Node, instances: Sequence[Instance]) -> list[Word]:
    turn = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(instance: Instance) -> Word:
        if instance.service == ANY_SERVICE:
            return Word(instance, NOT_ASKED, NOT_ASKED)
        async with turn:
            process = await _ask(node, instance, META.module.HealthRequestType.PROCESS)
            traffic = await _ask(node, instance, META.module.HealthRequestType.TRAFFIC)
        return Word(instance, process, traffic)

    return list(await asyncio.gather(*(ask(instance) for instance in instances)))


async def _ask(node: Node, instance: Instance, question: int) -> str:
    """`ok`, or why not."""
    method = META_SERVICE.methods["health"]
    with scopes.deadline(ms=ASK_TIMEOUT_MS):
        request = META.module.HealthRequest(type=question)
        reply = await node.call(method, (request,), service=instance.service, peers=[instance.address])
    if isinstance(reply.outcome, MeshError):
        return reply.outcome.kind.name
    if reply.value.ok:
        return "ok"
    return f"no: {reply.value.message or 'it gives no reason'}"
