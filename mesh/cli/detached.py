"""`mesh up -d`: the same supervisor without a terminal, in a session of its own.

    python -m mesh.cli.detached ...      what runs in the background, with the arguments of `mesh up`

The command that started it waits over the control socket until all are ready, prints what runs and ends: 0; 1 when the
cluster did not start, or something in it is not ready (the rest runs; `mesh down` ends it); 2 for a wrong plan.

One rule: nothing is said twice. What goes wrong before the socket is there comes out of the child's own error output.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path

from mesh.cli import exits, ps, running
from mesh.cli.exits import CommandError
from mesh.cli.output import print_json, print_line
from mesh.cluster import plan, reach
from mesh.cluster.display import Silent
from mesh.cluster.plan import Source
from mesh.cluster.reach import Found
from mesh.cluster.rundir import FOLDER, ClusterError
from mesh.config import ConfigError

POLL_S = 0.05
SOCKET_S = 30.0  # until the child takes commands: Python's own start, on a machine that has other things to do
ENDING_S = 20.0  # for what was started already to drain
ERRORS = "supervisor.err"  # in the cluster's log folder: what the supervisor complains of, a bug's stack


def start(source: Source, name: str, arguments: list[str], *, json: bool) -> int:
    """Starts it with the `arguments` of `mesh up` and waits until all are ready. Raises ConfigError, CommandError.

    `source` and `name` are what these arguments mean.
    """
    config = source.read()
    directory = source.path.parent.resolve()
    run = directory / FOLDER / (name or config.name or plan.default_name(directory))
    if reach.answers(run):
        raise CommandError(
            f"the cluster {run.name!r} runs in {directory} already",
            code=exits.NO,
            advice=f"mesh ps shows it, mesh down stops it; another one beside it: --name {run.name}-2",
        )
    errors = run / "logs" / ERRORS
    errors.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    found = _reached(run, child, errors)
    try:
        answer = running.ask(found, "ready", timeout_s=None)
    except CommandError as error:
        if not reach.answers(run) or running.ask(found, "ps")["stopping"]:
            raise _ended(child, errors) from None
        raise CommandError(
            str(error), code=exits.NO, advice="what is ready goes on running: mesh ps, mesh logs, mesh down"
        ) from None
    if json:
        print_json(answer)
    else:
        ps.show(answer)
    return exits.OK


def _reached(run: Path, child: subprocess.Popen[bytes], errors: Path) -> Found:
    """The cluster, once it takes commands. Raises CommandError with what the child said."""
    until = time.monotonic() + SOCKET_S
    while time.monotonic() < until:
        if child.poll() is not None:
            raise _ended(child, errors)
        found = Found(run, answers=True, held=True)
        # Another one may have been quicker to take the name; ours is about to say so.
        if reach.answers(run) and running.ask(found, "ps")["pid"] == child.pid:
            return found
        time.sleep(POLL_S)
    child.terminate()
    raise CommandError(f"the supervisor took no commands within {SOCKET_S:g} s; see {errors}", code=exits.NO)


def _ended(child: subprocess.Popen[bytes], errors: Path) -> CommandError:
    """What the child said when it ended instead of running."""
    try:
        code = child.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        return CommandError(f"the supervisor (pid {child.pid}) stops", code=exits.NO, advice="mesh logs says why")
    if code == 0:
        return CommandError("the cluster was stopped before it was ready", code=exits.NO)
    said = errors.read_text(encoding="utf-8", errors="replace").strip()
    return CommandError(said or f"the supervisor ended with {code}", code=code if code > 0 else exits.NO)


def main(arguments: list[str]) -> int:
    """The child."""
    from mesh.cli import up  # which needs this module for its -d

    parser = argparse.ArgumentParser()
    up.register(parser.add_subparsers())
    args = parser.parse_args(["up", *arguments])
    try:
        return asyncio.run(up.session(args, Silent(), []).run())
    except ConfigError as error:
        print_line(str(error), error=True)
        return exits.USAGE
    except ClusterError as error:
        print_line(str(error), error=True)
        return exits.NO


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
