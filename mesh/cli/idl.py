"""`mesh idl`: its commands, of which `check` and `build` (contracts linted, their `.pyi` files made) stand here.

One rule: 0 when nothing is wrong (warnings only are nothing wrong), 1 when something is, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys

from mesh.cli import exits, idl_breaking, idl_diff, idl_pull, idl_usage
from mesh.cli.exits import CommandError
from mesh.contract.lint import lint
from mesh.contract.problem import ContractError, Level
from mesh.contract.stubfiles import StubState, build_stubs


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `idl` and its commands."""
    idl = subparsers.add_parser("idl", help="check and compare contracts, make their Python stubs")
    commands = idl.add_subparsers(title="commands", metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="say what is wrong with contracts, with file, line and reason")
    check.add_argument("paths", nargs="+", metavar="FILES", help="a .thrift file, or a folder with all below it")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    _include_dirs(check)
    check.set_defaults(run=run_check)

    build = commands.add_parser("build", help="write a .pyi beside each contract, for mypy and pyright")
    build.add_argument("paths", nargs="+", metavar="FILES", help="a .thrift file, or a folder with all below it")
    build.add_argument("--check", action="store_true", help="write nothing; exit 1 if a stub is missing or stale")
    build.add_argument("--json", action="store_true", help="print one JSON object")
    _include_dirs(build)
    build.set_defaults(run=run_build)

    for module in (idl_breaking, idl_diff, idl_pull, idl_usage):
        module.register(commands)


def _include_dirs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-I", dest="include_dirs", action="append", default=[], metavar="DIR", help="a folder to look for includes in"
    )


def run_check(args: argparse.Namespace) -> int:
    """Prints the findings. 1 if there is an error among them."""
    try:
        findings = lint(args.paths, args.include_dirs)
    except ContractError as error:
        findings = list(error.findings)
    errors = sum(item.level is Level.ERROR for item in findings)
    warnings = len(findings) - errors
    if args.json:
        listed = [{"file": x.file, "line": x.line, "level": x.level, "reason": x.reason} for x in findings]
        print(json.dumps({"errors": errors, "warnings": warnings, "findings": listed}, indent=2))
    else:
        for item in findings:
            print(f"{item.place}: {item.level}: {item.reason}")
        print(f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return 1 if errors else 0


def run_build(args: argparse.Namespace) -> int:
    """Writes or checks the stubs. 1 if a contract is broken, or with `--check` a stub is not fresh."""
    stale = 0
    stubs = []
    try:
        for stub in build_stubs(args.paths, check=args.check, include_dirs=args.include_dirs):
            stubs.append({"path": str(stub.path), "state": stub.state})
            if stub.state is not StubState.FRESH and not args.json:
                print(f"{stub.path}: {stub.state}")
            stale += stub.state in (StubState.STALE, StubState.MISSING)
    except ContractError as error:
        return _broken(str(error), args)
    except OSError as error:
        return _broken(f"{error.filename}: {error.strerror}", args)
    if args.json:
        print(json.dumps({"stale": stale, "stubs": stubs}, indent=2))
    elif stale:
        print(f"run: mesh idl build {' '.join(args.paths)}", file=sys.stderr)
    return 1 if stale else 0


def _broken(text: str, args: argparse.Namespace) -> int:
    """Lines as compilers write them, which editors can jump to; under --json as every command fails."""
    if args.json:
        raise CommandError(text, code=exits.NO)
    print(text, file=sys.stderr)
    return exits.NO
