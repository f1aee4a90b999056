"""What a person, or a program, sees of a running cluster: a live table, plain lines, or JSON events.

One rule: a display shows and decides nothing. The table is for terminals; elsewhere there is one line per change of
state, so that a log of it reads well; JSON has one object a line, with `event` in each.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mesh.cluster.cluster import Cluster
from mesh.cluster.instance import Change, Instance, State
from mesh.cluster.report import describe

COLOURS = {
    State.READY: "green",
    State.UNREADY: "yellow",
    State.STARTING: "cyan",
    State.BACKOFF: "yellow",
    State.STOPPING: "cyan",
    State.STOPPED: "dim",
    State.FAILED: "bold red",
}
TROUBLE = (State.BACKOFF, State.FAILED)


class Display(AbstractContextManager["Display"], Protocol):
    """A context manager; `refresh` is called about twice a second while the cluster runs."""

    def change(self, change: Change) -> None: ...
    def say(self, event: str, text: str) -> None: ...
    def ready(self, cluster: Cluster, seconds: float) -> None: ...
    def refresh(self, cluster: Cluster) -> None: ...


class Lines:
    """One line per change of state. `quiet` leaves out what goes well, for when a program of the user's prints."""

    def __init__(self, out: TextIO, *, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def change(self, change: Change) -> None:
        if self._quiet and change.state not in TROUBLE:
            return
        self._line(describe(change))
        for line in change.tail:
            self._line(f"    | {line}")

    def say(self, event: str, text: str) -> None:
        self._line(text)

    def ready(self, cluster: Cluster, seconds: float) -> None:
        self._line(summary(cluster, seconds))

    def refresh(self, cluster: Cluster) -> None:
        pass

    def _line(self, text: str) -> None:
        _print(text, self._out)


class Silent:
    """Shows nothing: for a cluster without a terminal; its log has every change."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def change(self, change: Change) -> None:
        pass

    def say(self, event: str, text: str) -> None:
        pass

    def ready(self, cluster: Cluster, seconds: float) -> None:
        pass

    def refresh(self, cluster: Cluster) -> None:
        pass


class JsonLines:
    """One JSON object per event: `change`, `ready`, and what is said in words under its own name."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._out = out
        self._clock = clock

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def change(self, change: Change) -> None:
        self._event(
            "change",
            at=change.at,
            id=change.id,
            service=change.service,
            state=change.state,
            pid=change.pid,
            detail=change.detail,
            tail=list(change.tail),
        )

    def say(self, event: str, text: str) -> None:
        self._event(event, at=self._clock(), text=text)

    def ready(self, cluster: Cluster, seconds: float) -> None:
        self._event("ready", at=self._clock(), seconds=round(seconds, 3), **cluster.state())

    def refresh(self, cluster: Cluster) -> None:
        pass

    def _event(self, event: str, **fields: object) -> None:
        _print(json.dumps({"event": event, **fields}), self._out)


def _print(line: str, out: TextIO) -> None:
    """A reader that went away (`| head`) costs lines: the cluster goes on, and above all can still be stopped."""
    with contextlib.suppress(OSError):
        print(line, file=out, flush=True)


class LiveTable:
    """The table at the foot of a terminal, trouble printed above it. Drawn from the loop, without a thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def change(self, change: Change) -> None:
        if change.state in TROUBLE:
            self._console.print(Text(describe(change), style=COLOURS[change.state]))
            for line in change.tail:
                self._console.print(Text(f"    | {line}", style="dim"))

    def say(self, event: str, text: str) -> None:
        self._console.print(Text(text))

    def ready(self, cluster: Cluster, seconds: float) -> None:
        self._console.print(Text(summary(cluster, seconds), style="green"))
        self.refresh(cluster)

    def refresh(self, cluster: Cluster) -> None:
        self._live.update(table(cluster), refresh=True)


def summary(cluster: Cluster, seconds: float) -> str:
    """One line that tells where everything is."""
    shared = [
        f"{service} {name} http://{at}" for service, ports in cluster.shared.items() for name, at in ports.items()
    ]
    parts = [f"cluster {cluster.name} is ready after {seconds:.1f} s", f"registry {cluster.registry}", *shared]
    return "; ".join(parts)


def table(cluster: Cluster) -> RenderableType:
    """Every instance with its state, process, ports and figures, and a line with the shared addresses."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("instance", no_wrap=True)
    grid.add_column("state", no_wrap=True)
    for name in ("pid", "rpc", "admin", "restarts", "cpu", "MiB", "calls/s", "p99 ms"):
        grid.add_column(name, justify="right", no_wrap=True)
    for one in cluster.instances:
        grid.add_row(*_cells(one))
    shared = "  ".join(
        f"{service} {name}: {at}" for service, ports in cluster.shared.items() for name, at in ports.items()
    )
    foot = f"{cluster.name}  {cluster.registry}  {shared}  logs: {cluster.logs}"
    return Group(grid, Text(foot, style="dim", overflow="fold"))


def _cells(one: Instance) -> list[RenderableType]:
    usage = one.usage
    return [
        one.id,
        Text(one.state, style=COLOURS.get(one.state, "")),
        str(one.pid or ""),
        one.listen.rpartition(":")[2],
        one.admin.rpartition(":")[2],
        str(one.restarts or ""),
        f"{usage.cpu:.0%}" if usage.cpu is not None else "",
        f"{usage.rss_bytes / 2**20:.0f}" if usage.rss_bytes is not None else "",
        f"{usage.calls_per_s:.1f}" if usage.calls_per_s is not None else "",
        f"{usage.p99_ms:.1f}" if usage.p99_ms is not None else "",
    ]
