"""Whom to ask: the registry from an option, the environment or the dev cluster that runs here.

One rule: the nearest answer wins, and every failure says where was looked.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mesh.cli import exits
from mesh.cli.exits import CommandError
from mesh.cluster import reach
from mesh.cluster.rundir import FOLDER, STATE
from mesh.config import Config, check_address, load
from mesh.discovery import Registry, RegistryError, open_registry
from mesh.discovery.address import without_secrets
from mesh.errors import Unreachable


@dataclass(frozen=True, slots=True)
class RegistryAt:
    """A registry's URL and where it was found, in words."""

    url: str
    source: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that asks the registry."""
    parser.add_argument(
        "--registry",
        metavar="URL",
        help="consul://HOST:PORT, file://PATH or static://HOST:PORT,...; default: MESH_REGISTRY, else the dev cluster "
        "that runs in this folder or one above it",
    )
    parser.add_argument("--cluster", metavar="NAME", help="the dev cluster to ask, where several run in one folder")


def registry_at(args: argparse.Namespace, start: Path | None = None) -> RegistryAt:
    """The registry that `args`, the environment or a running dev cluster names. Raises CommandError."""
    if args.registry:
        return RegistryAt(args.registry, "--registry")
    if args.cluster is None:
        configured = settings().registry
        if configured:
            return RegistryAt(configured, "MESH_REGISTRY" if os.environ.get("MESH_REGISTRY") else "MESH_CONFIG")
    return _of_cluster(args.cluster, (start or Path.cwd()).resolve())


def address(text: str) -> str:
    """The type of `--peer`: HOST:PORT."""
    try:
        check_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_peer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peer",
        metavar="HOST:PORT",
        type=address,
        action="append",
        help="this instance, without a registry; repeatable",
    )


def settings() -> Config:
    """The configuration that the environment gives. Raises ConfigError."""
    return load(None, os.environ)


def open_at(at: RegistryAt) -> Registry:
    """A registry to be entered with `async with`. Raises CommandError for an URL that is none."""
    config = settings()
    token = config.token.reveal() if config.token else None
    try:
        return open_registry(at.url, token=token, zone=config.zone)
    except ValueError as error:
        raise CommandError(f"the registry {without_secrets(at.url)!r} ({at.source}): {error}") from None


def unanswered(error: RegistryError) -> CommandError:
    """The failure of a command whose registry cannot be asked: as of a call that nobody answers."""
    return CommandError(
        f"the registry did not answer: {error}",
        code=Unreachable.kind.exit,
        advice="is it up, and is this its address? --peer HOST:PORT goes without",
    )


def _of_cluster(name: str | None, start: Path) -> RegistryAt:
    for folder in (start, *start.parents):
        found = {path.parent.name: path for path in sorted((folder / FOLDER).glob(f"*/{STATE}"))}
        if name is not None:
            found = {key: path for key, path in found.items() if key == name}
        if len(found) > 1:  # what was killed together with its keeper has left its state
            found = {key: path for key, path in found.items() if _answers(path.parent)} or found
        if len(found) > 1:
            raise CommandError(
                f"several dev clusters run in {folder}: {', '.join(found)}", advice="choose one with --cluster NAME"
            )
        for path in found.values():
            return RegistryAt(_url_in(path), f"the dev cluster {path.parent.name!r} in {folder}")
    what = f"no dev cluster {name!r} runs" if name else "no registry is named and no dev cluster runs"
    raise CommandError(
        f"{what} in {start} or a folder above it",
        code=exits.USAGE,
        advice="start one with mesh up, or say --registry URL, --peer HOST:PORT or MESH_REGISTRY=URL",
    )


def _answers(run: Path) -> bool:
    try:
        return reach.answers(run)
    except (OSError, reach.Unreachable):
        return True  # it cannot be told, for instance because it is another user's


def _url_in(path: Path) -> str:
    try:
        state = json.loads(path.read_text())
        url = state["registry"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} cannot be used ({error!r})", advice="is mesh up just starting? Try again") from None
    if not isinstance(url, str):
        raise CommandError(f"{path} has no registry's URL")
    return url
