"""`mesh completion SHELL`: a script that lets bash, zsh or fish complete `mesh`, made from the parser's own tree.

One rule: a key press starts no Python for what the parser knows. Commands, options, choices and files stand in the
script; only names that change (services, methods, instances) are asked of `values`, a program of the standard library.

No library does that for these three shells: argcomplete starts the whole command for each key press (it imports in half
a second), shtab writes bash, zsh and tcsh.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mesh.cli.completion import bash, fish, values, zsh
from mesh.cli.completion.tree import commands_of
from mesh.cli.exits import OK

SHELLS = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
_EPILOG = """\
bash: mesh completion bash > ~/.local/share/bash-completion/completions/mesh   (or source it from ~/.bashrc)
zsh:  mesh completion zsh > "${fpath[1]}/_mesh"                               (a folder of $fpath, before compinit)
fish: mesh completion fish > ~/.config/fish/completions/mesh.fish"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `mesh completion`."""
    completion = subparsers.add_parser(
        "completion",
        help="print a script that lets your shell complete mesh",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=sorted(SHELLS), help="whose script")
    completion.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from mesh.cli.main import make_parser  # it imports us

    ask = (sys.executable, "-I", "-S", str(Path(values.__file__)))  # without site-packages, which it does not need
    sys.stdout.write(SHELLS[args.shell](commands_of(make_parser()), ask))
    return OK
