"""What a cluster leaves on disk, and what is left of one whose supervisor was killed: looked at and taken away.

One rule: only with the lock of the run directory in hand, and only what lies in it. Processes are recognised by the
mark of the run, never by a pid out of a file.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from mesh.cluster import keeper, protocol
from mesh.cluster.plan import check_name
from mesh.cluster.rundir import FOLDER, LOCK, ClusterError, RunDirectory

DATA = ("data", "consul", "peers.toml")
_RUN_ID = re.compile(r"[0-9a-f]{16}")  # anything shorter could be a part of other people's marks


async def clear(run: Path) -> int:
    """Ends what still runs of a killed supervisor's cluster and removes its files. Returns how many processes it ended.

    Waits for its keeper, which ends them by itself; what is left then had lost its keeper, too. Raises ClusterError
    when the cluster runs.
    """
    mark = _mark(run)
    async with RunDirectory(run.parent.parent, run.name):
        left = await asyncio.to_thread(_sweep, mark) if mark else 0
        protocol.socket_path(run).unlink(missing_ok=True)
    return left


def _mark(run: Path) -> str:
    try:
        mark = json.loads((run / "state.json").read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return mark if isinstance(mark, str) and _RUN_ID.fullmatch(mark) else ""


def _sweep(mark: str) -> int:
    def find() -> list[keeper.Row]:
        return keeper.belonging(keeper.rows(), mark, {}, spare=())

    there = len(find())
    left = keeper.sweep(find, term_s=keeper.TERM_S, give_up_s=keeper.GIVE_UP_S, quiet_s=keeper.QUIET_S)
    if left:
        raise ClusterError(f"these processes could not be ended: {', '.join(str(row.pid) for row in left)}")
    return there


def data_of(run: Path, services: Sequence[str] = ()) -> list[Path]:
    """What `reset` would delete: all data of the cluster, or that of some services only.

    Raises ClusterError, and ValueError for what is no service's name.
    """
    if run.parent.name != FOLDER or not (run / LOCK).is_file() or run.is_symlink():
        raise ClusterError(f"{run} is no cluster's folder: nothing is deleted")
    if not services:
        return [path for path in (run / name for name in DATA) if path.exists() or path.is_symlink()]
    found = []
    for service in services:
        check_name(service)
        path = run / "data" / service
        if not path.exists():
            there = sorted(entry.name for entry in (run / "data").glob("*"))
            raise ClusterError(
                f"no data of a service {service!r} in {run / 'data'}; it has {', '.join(there) or 'none'}"
            )
        found.append(path)
    return found


async def reset(run: Path, services: Sequence[str] = ()) -> list[Path]:
    """Deletes that data. Returns what is gone. Raises ClusterError when the cluster runs or something cannot go."""
    data_of(run, services)
    async with RunDirectory(run.parent.parent, run.name):
        doomed = data_of(run, services)
        for path in doomed:
            _delete(path)
    return doomed


def _delete(path: Path) -> None:
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink()  # a link goes; what it points at is not this cluster's
        else:
            shutil.rmtree(path)  # follows no link below either
    except OSError as error:
        raise ClusterError(f"{error.filename or path} cannot be deleted: {error.strerror}") from None
