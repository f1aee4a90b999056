"""`mesh doctor`: what is wrong with this machine and this project, and what to do. Exit code 1 when something fails."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mesh.cli import exits
from mesh.cli.output import print_json
from mesh.doctor import CHECKS, Finding, Level, Patient, examine
from mesh.logs import escape_controls

STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh doctor`."""
    doctor = subparsers.add_parser(
        "doctor",
        help="look for what is wrong with this machine and this project, and say what to do",
        description="Looks at Python, Consul, ports, clocks, contracts and limits; changes nothing. Exit code 1 when "
        "something fails, 0 with warnings only.",
    )
    doctor.add_argument("file", nargs="?", default="cluster.toml", type=Path, help="default: ./cluster.toml")
    doctor.add_argument("--registry", metavar="URL", help="look at this one; default: MESH_REGISTRY, else consul.join")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    patient = Patient(args.file, os.environ, registry=args.registry)
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    found: dict[str, Finding] = {}
    async for name, finding in examine(patient):
        found[name] = finding
        if not args.json:
            _show(console, name, finding)
    counts = {level: sum(one.level is level for one in found.values()) for level in Level}
    if args.json:
        print_json(_as_dict(found, counts))
    else:
        console.print(f"{counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} wrong")
    return exits.NO if counts[Level.FAIL] else exits.OK


def _show(console: Console, name: str, finding: Finding) -> None:
    width = max(map(len, CHECKS))
    line = Text(f"{finding.level:<4}  ", style=STYLES[finding.level])
    line.append(f"{name:<{width}}  {escape_controls(finding.what)}", style="default")
    console.print(line)
    if finding.do:
        console.print(f"{'':<4}  {'':<{width}}  -> {escape_controls(finding.do)}", markup=False)


def _as_dict(found: dict[str, Finding], counts: dict[Level, int]) -> dict[str, object]:
    return {
        "ok": not counts[Level.FAIL],
        "counts": {level.value: count for level, count in counts.items()},
        "checks": [
            {"name": name, "level": one.level, "what": one.what, "do": one.do or None, "facts": dict(one.facts)}
            for name, one in found.items()
        ],
    }
