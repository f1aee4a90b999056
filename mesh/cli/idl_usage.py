"""`mesh idl usage SERVICE`: who still uses what of a service is deprecated.

Each instance is asked over RPC (Meta::deprecatedUse), not at its admin side: that one is often reachable from its own
machine only, is off in some processes, and is not known of an address given with --peer.

One rule: an instance that does not answer may be the one that somebody still calls. Without it the answer is not
complete, and the exit code says so.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.call import context as scopes
from mesh.cli import call, exits, idl_running, listing
from mesh.cli.exits import CommandError
from mesh.cli.output import print_json, print_line
from mesh.cli.table import columns
from mesh.discovery import Instance
from mesh.errors import BadRequest, MeshError, UnknownMethod
from mesh.node import Node
from mesh.node.meta import META_SERVICE
from mesh.node.usage import iso

ASK_TIMEOUT_MS = 2000.0  # an answer from memory; an instance that needs longer is in trouble
ASKED_AT_ONCE = 32  # connections that a large fleet's question opens at a time

Thing = tuple[str, str]  # method, field ("" for the method itself)


@dataclass(slots=True)
class Answer:
    """One instance's count, or why there is none."""

    instance: Instance
    told: Any = None
    problem: str = ""
    code: int = exits.OK


@dataclass(slots=True)
class Total:
    """One caller of one thing, over all instances."""

    calls: int = 0
    last_seen_ms: int = 0


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "usage",
        help="who still uses deprecated methods and fields",
        description="Counts of all instances since each started. Exit code 1 when some of them did not answer.",
    )
    idl_running.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    async with call.node_for(args) as node:
        answers = await _ask_all(node, await listing.instances_of(node, args))
    asked = [answer for answer in answers if answer.told is not None]
    if not asked:
        first = answers[0]
        raise CommandError(f"no instance tells its use: {first.instance.address}: {first.problem}", code=first.code)
    for answer in answers:
        if answer.told is None:
            print_line(f"mesh: {answer.instance.address}: {answer.problem}", error=True)
    things, totals = _added_up(asked)
    if args.json:
        print_json(_as_dict(args.service, answers, things, totals))
    else:
        _show(args.service, answers, asked, things, totals)
    return exits.OK if len(asked) == len(answers) else exits.NO


async def _ask_all(node: Node, instances: Sequence[Instance]) -> list[Answer]:
    turn = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(instance: Instance) -> Answer:
        async with turn:
            with scopes.deadline(ms=ASK_TIMEOUT_MS):
                method = META_SERVICE.methods["deprecatedUse"]
                reply = await node.call(method, (), service=instance.service, peers=[instance.address])
        error = reply.outcome
        if isinstance(error, BadRequest | UnknownMethod):
            return Answer(instance, None, f"it does not count (an older version, or no mesh node): {error.reason}",
                          error.kind.exit)  # fmt: skip
        if isinstance(error, MeshError):
            return Answer(instance, None, str(error), error.kind.exit)
        return Answer(instance, reply.value)

    return list(await asyncio.gather(*(ask(instance) for instance in instances)))


def _added_up(answers: Sequence[Answer]) -> tuple[dict[Thing, str], dict[tuple[Thing, str], Total]]:
    """Each deprecated thing with its reason, and the calls by thing and caller."""
    things: dict[Thing, str] = {}
    totals: dict[tuple[Thing, str], Total] = {}
    for answer in answers:
        for thing in answer.told.things:
            things.setdefault((thing.method, thing.field or ""), thing.reason)
        for use in answer.told.callers:
            total = totals.setdefault(((use.method, use.field or ""), use.caller), Total())
            total.calls += use.calls
            total.last_seen_ms = max(total.last_seen_ms, use.last_seen_ms)
    return things, totals


def _since(answers: Sequence[Answer]) -> tuple[str, str]:
    """Of the instance that counts longest, and of the one that started last."""
    starts = [answer.told.since_ms for answer in answers]
    return _time(min(starts)), _time(max(starts))


def _show(
    service: str,
    answers: Sequence[Answer],
    asked: Sequence[Answer],
    things: dict[Thing, str],
    totals: dict[tuple[Thing, str], Total],
) -> None:
    if not things:
        print_line(f"nothing of {service} is deprecated")
        return
    rows: list[tuple[object, ...]] = []
    for (method, field), reason in things.items():
        callers = [(caller, total) for (thing, caller), total in totals.items() if thing == (method, field)]
        for caller, total in sorted(callers, key=lambda item: -item[1].calls):
            rows.append((method, field, caller, total.calls, _time(total.last_seen_ms), reason))
        if not callers:
            rows.append((method, field, "nobody", 0, None, reason))
    print(columns(("method", "field", "caller", "calls", "last seen", "reason"), rows))
    first, last = _since(asked)
    since = first if first == last else f"{first} (the one that started last: {last})"
    print()
    print_line(f"counted by {len(asked)} of {len(answers)} instances since {since}; a restart begins anew")


def _as_dict(
    service: str, answers: Sequence[Answer], things: dict[Thing, str], totals: dict[tuple[Thing, str], Total]
) -> dict[str, Any]:
    return {
        "service": service,
        "complete": all(answer.told is not None for answer in answers),
        "instances": [
            {
                "address": answer.instance.address,
                "since": _time(answer.told.since_ms) if answer.told is not None else None,
                "problem": answer.problem or None,
            }
            for answer in answers
        ],
        "deprecated": [
            {
                "method": method,
                "field": field or None,
                "reason": reason,
                "callers": [
                    {"caller": caller, "calls": total.calls, "last_seen": _time(total.last_seen_ms)}
                    for (thing, caller), total in sorted(totals.items(), key=lambda item: -item[1].calls)
                    if thing == (method, field)
                ],
            }
            for (method, field), reason in things.items()
        ],
    }


def _time(ms: int) -> str:
    try:
        return iso(ms / 1000)
    except (OSError, OverflowError, ValueError):
        return f"{ms} ms"  # no moment at all: the server's word
