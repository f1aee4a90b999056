"""`mesh call SERVICE Service::method JSON`: one call, with everything that came of it.

One rule: stdout is the answer, stderr is for people, the exit code is the error table's.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from mesh.call import Declared, Outcome, Reply, debug
from mesh.call import context as scopes
from mesh.call.trace import Trace, root
from mesh.cli import contracts, where
from mesh.cli.exits import OK, CommandError, nearest
from mesh.cli.output import print_json, print_line
from mesh.contract.jsonform.body import BodyError, arguments, parse
from mesh.contract.jsonform.example import example
from mesh.contract.jsonform.spec import args_class
from mesh.contract.model import Method, Service
from mesh.discovery import RegistryError
from mesh.errors import EXIT_DECLARED, BadRequest, CallTimeout, MeshError, UnknownService, Unreachable
from mesh.node import PROTOCOLS, Node
from mesh.node.answer import answer, error_of, exception_of, value_of

CALLER = "mesh-cli"
MAX_TIMEOUT_MS = 3_600_000  # nobody waits longer at a prompt; a millisecond is the least that the wire can say
MAX_BODY_CHARS = 64 * 1024 * 1024  # JSON of the largest request (8 MiB) with room for its punctuation


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "call",
        help="call a method and print its answer",
        description="Calls a method and prints its answer as JSON. Exit codes: docs/cli.md.",
    )
    parser.add_argument("service", metavar="SERVICE", help="its name in the registry, e.g. pricing")
    parser.add_argument("method", metavar="METHOD", help="Service::method, e.g. Pricing::quote")
    parser.add_argument("body", metavar="JSON", nargs="?", help='{"parameter": value, ...}; - reads it from stdin')
    add_target(parser)
    parser.add_argument(
        "--header", metavar="K=V", action="append", default=[], help="an application header; repeatable"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help="for servers of framed Thrift; those need --idl"
    )
    parser.add_argument("--timeout", metavar="MS", type=_milliseconds, help="default: the contract's timeout_ms")
    parser.add_argument(
        "--debug",
        dest="debug_mark",
        action="store_true",
        help="no deadline, with a service under mesh dev --debug: for breakpoints",
    )
    parser.add_argument("--caller", default=CALLER, help=f"the name to call under (default {CALLER})")
    parser.add_argument("--example", action="store_true", help="print a JSON body for the method and do not call it")
    parser.add_argument("--full", action="store_true", help="with --example: optional fields too")
    parser.add_argument("--show-pii", action="store_true", help="print fields marked pii, which show as *** otherwise")
    parser.add_argument("--json", action="store_true", help="print outcome, value, headers, peer, elapsed_ms and trace")
    parser.set_defaults(run=run)


def add_target(parser: argparse.ArgumentParser) -> None:
    """The options that say whom to talk to and by which contract."""
    where.add_options(parser)
    where.add_peer(parser)
    contracts.add_option(parser)


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of milliseconds, got {text!r}") from None
    if not 1 <= value <= MAX_TIMEOUT_MS:
        raise argparse.ArgumentTypeError(f"expected from 1 to {MAX_TIMEOUT_MS} milliseconds (an hour), got {text}")
    return value


async def run(args: argparse.Namespace) -> int:
    if args.example:
        return await _print_example(args)
    if args.debug_mark and args.timeout is not None:
        raise CommandError("--debug gives the call a day, --timeout less: say one of the two")
    trace = root(random.Random())
    try:
        with debug.mark() if args.debug_mark else contextlib.nullcontext():
            return await _call(args, trace)
    except MeshError as error:
        if not args.json:
            raise
        _print_json(args, error, peer=error.peer, elapsed_ms=error.elapsed_ms, trace=trace, error=error_of(error))
        return error.kind.exit


async def _call(args: argparse.Namespace, trace: Trace) -> int:
    if args.protocol != PROTOCOLS[0] and args.idl is None:
        raise CommandError(
            f"--protocol {args.protocol}: a server of framed Thrift does not tell its contract",
            advice="give it with --idl FILE",
        )
    body = _read_body(args.body)
    headers = _headers(args.header)
    async with node_for(args, args.caller) as node:
        service, method = await resolve(node, args)
        values = _arguments(args, service, method, body)
        started = time.monotonic()
        with _scopes(trace, headers, args.timeout):
            reply = await node.call(method, values, service=args.service, peers=args.peer, protocol=args.protocol)
        elapsed_ms = (time.monotonic() - started) * 1000
        if isinstance(reply.outcome, MeshError):
            error = reply.outcome.at(
                service=args.service, method=method.wire_name, peer=reply.peer, elapsed_ms=elapsed_ms
            )
            if error.limit_ms is not None:
                error.limit_ms = args.timeout or error.limit_ms  # what was asked for, not what was left of it
            if args.debug_mark and isinstance(error, CallTimeout):
                error.reason += "; a process on the way is not in debug mode (mesh dev --debug, MESH_DEBUG=1)"
            await explain(node, error, args)
            raise error
    return _show(args, service, method, reply, elapsed_ms, trace)


@contextlib.contextmanager
def _scopes(trace: Trace, headers: dict[str, str], timeout_ms: float | None) -> Iterator[None]:
    """The trace, headers and deadline of the call."""
    token = scopes.context_var.set(scopes.current().replace(trace=trace))
    try:
        with contextlib.ExitStack() as stack:
            if headers:
                stack.enter_context(scopes.headers(headers))
            if timeout_ms is not None:
                stack.enter_context(scopes.deadline(ms=timeout_ms))
            yield
    finally:
        scopes.context_var.reset(token)


def node_for(args: argparse.Namespace, caller: str = CALLER) -> Node:
    """A node that only calls: with a registry unless peers are named."""
    debugs = getattr(args, "debug_mark", False) or None
    if args.peer:
        return Node(caller, admin="off", debug=debugs)
    return Node(caller, admin="off", debug=debugs, registry=where.open_at(where.registry_at(args)))


async def resolve(node: Node, args: argparse.Namespace) -> tuple[Service, Method]:
    """The method that `args` names. Raises MeshError or CommandError."""
    if args.idl is not None:
        contract = contracts.from_file(args.idl)
    else:
        try:
            contract = await contracts.from_server(node, args.service, args.peer)
        except (UnknownService, Unreachable) as error:
            error.method = args.method  # it would have failed in the same way; Meta is no name that a newcomer knows
            await explain(node, error, args)
            raise
    return contracts.find_method(contract, args.method, args.service)


async def explain(node: Node, error: MeshError, args: argparse.Namespace) -> None:
    """Adds what only the registry knows: which names there are, or that it could not be asked at all."""
    if not isinstance(error, UnknownService) or node.registry is None:
        return
    try:
        names = list(await node.registry.services())
    except RegistryError as unanswered:
        raise where.unanswered(unanswered) from None
    near = nearest(args.service, names)
    hint = f"did you mean {near!r}?" if near else f"it knows {', '.join(names) or 'no service at all'}"
    error.reason = f"{error.reason}; {hint}"


def _read_body(text: str | None) -> Any:
    if text == "-":
        try:
            text = sys.stdin.read(MAX_BODY_CHARS + 1)
        except UnicodeDecodeError:
            raise CommandError("the body on stdin is not text") from None
        if len(text) > MAX_BODY_CHARS:
            raise CommandError(f"the body on stdin is longer than {MAX_BODY_CHARS} characters")
    try:
        return parse(text) if text and text.strip() else {}
    except BodyError as error:
        raise CommandError(f"the body: {error}", advice="--example prints a body that fits") from None


def _headers(pairs: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise CommandError(f"--header {pair!r}: expected KEY=VALUE")
        headers[key] = value
    try:
        with scopes.headers(headers):
            return headers
    except ValueError as error:
        raise CommandError(f"--header: {error}") from None


def _arguments(args: argparse.Namespace, service: Service, method: Method, body: Any) -> tuple[Any, ...]:
    try:
        return arguments(args_class(service, method), method.parameters, body)
    except BodyError as error:
        raise BadRequest(str(error), service=args.service, method=method.wire_name) from None


async def _print_example(args: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        if args.idl is not None:
            service, method = contracts.find_method(contracts.from_file(args.idl), args.method, args.service)
        else:
            service, method = await resolve(await stack.enter_async_context(node_for(args)), args)
    body = example(args_class(service, method), method.parameters, full=args.full)
    print_json(body)
    return OK


def _show(
    args: argparse.Namespace, service: Service, method: Method, reply: Reply, elapsed_ms: float, trace: Trace
) -> int:
    """Prints an answer and gives the exit code."""
    outcome = reply.outcome
    more: dict[str, Any] = {
        "peer": reply.peer,
        "elapsed_ms": elapsed_ms,
        "trace": trace,
        "headers": dict(reply.headers),
    }
    if isinstance(outcome, Declared):
        more["exception"] = exception_of(outcome, show_pii=args.show_pii)
        name = more["exception"]["name"]
        note = f"mesh: {args.service} {method.wire_name} answered with {name}, which its contract declares"
        shown: Any = {name: more["exception"]["fields"]}
    else:
        shown = more["value"] = value_of(service, method, reply, show_pii=args.show_pii)
        note = ""
    if args.json:
        _print_json(args, outcome, **more)
    else:
        print_json(shown)
        for key, value in reply.headers.items():
            print_line(f"{key}: {value}", error=True)
        if note:
            print_line(note, error=True)
    return EXIT_DECLARED if isinstance(outcome, Declared) else OK


def _print_json(
    args: argparse.Namespace, outcome: Outcome, *, elapsed_ms: float | None, trace: Trace, **more: Any
) -> None:
    """One line."""
    made = answer(outcome, service=args.service, method=args.method, elapsed_ms=elapsed_ms, trace_id=trace.id, **more)
    print_json(made, indent=None)
