"""`mesh idl pull SERVICE`: the contract by which a service runs, as files.

One rule: names and texts are a stranger's. Only `.thrift` files below the folder that was named, through no link, and
nothing at all is written when one of them may not be.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mesh.cli import call, exits, idl_local, idl_running
from mesh.cli.exits import CommandError
from mesh.cli.idl_running import SHOWN_CHARS, Running
from mesh.cli.output import print_json, print_line

SUFFIX = ".thrift"  # a stranger may name no `conftest.py` and no `.bashrc`
NEW, SAME, REPLACED = "written", "unchanged", "replaced"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("pull", help="fetch the contract of a running service, with all that it includes")
    idl_running.add_options(parser)
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=idl_local.FOLDER, help=f"where to (default: {idl_local.FOLDER})"
    )
    parser.add_argument("--digest", metavar="START", help="which one, where instances run by several contracts")
    parser.add_argument("--force", action="store_true", help="replace files that have another content")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


async def run(args: argparse.Namespace) -> int:
    async with call.node_for(args) as node:
        groups = await idl_running.running(node, args)
    group = _chosen(groups, args.digest)
    idl_running.say_unasked(groups)
    assert group.contract is not None
    states = write(group.contract.texts, args.out, force=args.force)
    if args.json:
        told = {"service": args.service, "digest": group.digest, "entry_point": group.contract.entry_point}
        print_json(told | {"folder": str(args.out), "files": states})
        return exits.OK
    for name, state in states.items():
        print_line(f"{args.out / name}: {state}")
    return exits.OK


def _chosen(groups: list[Running], start: str | None) -> Running:
    """The contract to write. Raises CommandError when it is not clear which, or none could be had."""
    had = [group for group in groups if group.contract is not None]
    if not had:
        first = groups[0]
        raise CommandError(f"no instance tells its contract: {first.problem}", code=first.code)
    matching = [group for group in had if group.digest.startswith(start or "")]
    if len(matching) == 1:
        return matching[0]
    listed = "; ".join(f"{group.digest[:SHOWN_CHARS]} at {', '.join(group.addresses)}" for group in had)
    what = "several contracts run" if matching else f"no running contract's digest starts with {start!r}"
    raise CommandError(f"{what}: {listed}", advice="choose one with --digest START, or an instance with --peer")


def write(texts: Mapping[str, str], folder: Path, *, force: bool = False) -> dict[str, str]:
    """Writes `texts` by relative path below `folder`, each at once or not at all. Returns what became of each.

    Raises CommandError, before anything is written, for a name that is no plain path of a `.thrift` file, for one that
    leads through a link, and for a file of another content unless `force`.
    """
    names = _checked(texts)
    states = {name: _state(folder, name, texts[name]) for name in names}
    other = [str(folder / name) for name, state in states.items() if state == REPLACED]
    if other and not force:
        raise CommandError(
            f"{', '.join(other)}: there with another content; nothing was written",
            code=exits.NO,
            advice="--force replaces, --out DIR writes elsewhere, mesh idl diff shows what differs",
        )
    try:
        for name, state in states.items():
            if state != SAME:
                _replace(folder / name, texts[name])
    except OSError as error:
        raise CommandError(f"{error.filename or folder}: cannot be written: {error.strerror}", code=exits.NO) from None
    return states


def _checked(texts: Mapping[str, str]) -> list[str]:
    """The names, sorted. `load_texts` has refused absolute ones and those with `..`; this does not rely on it."""
    seen: dict[str, str] = {}
    for name in sorted(texts):
        parts = PurePosixPath(name).parts
        plain = bool(parts) and not any(part == ".." or part.startswith((".", "/", "~")) for part in parts)
        if not plain or not name.endswith(SUFFIX) or "\\" in name or ":" in name or not name.isprintable():
            raise CommandError(
                f"the server names a file {name[:80]!r}; only plain paths of {SUFFIX} files are written", code=exits.NO
            )
        # Two names that are one file where upper and lower case are alike.
        if seen.setdefault(name.casefold(), name) != name:
            raise CommandError(f"the server names both {seen[name.casefold()]!r} and {name!r}", code=exits.NO)
    for name in seen:
        if any(str(parent) in seen for parent in PurePosixPath(name).parents):
            raise CommandError(f"the server names {seen[name]!r} in a folder that it names as a file", code=exits.NO)
    return list(seen.values())


def _state(folder: Path, name: str, text: str) -> str:
    place = folder
    for part in PurePosixPath(name).parts:
        place /= part
        if place.is_symlink():
            raise CommandError(f"{place} is a link; it is not followed for a file from elsewhere", code=exits.NO)
    try:
        return SAME if place.read_bytes() == text.encode() else REPLACED
    except FileNotFoundError:
        return NEW
    except OSError as error:
        raise CommandError(f"{place}: cannot be written: {error.strerror}", code=exits.NO) from None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "xb") as file:
            file.write(text.encode())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
