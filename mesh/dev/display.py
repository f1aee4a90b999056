"""What `mesh dev` shows: the displays of `mesh up`, and the events of the reloads.

One rule: what a reload does to its processes is told by its own events; the states in between are for programs only.
"""

from __future__ import annotations

import time
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.text import Text

from mesh.cluster import Cluster
from mesh.cluster.display import Display, JsonLines, Lines, LiveTable, table
from mesh.cluster.instance import Change, State
from mesh.dev.events import Event

_QUIET = (State.STARTING, State.READY, State.STOPPING, State.STOPPED)


class DevDisplay(Display, Protocol):
    def tell(self, event: Event) -> None: ...


class DevLines(Lines):
    """One line an event, and the place and output of a failure below it."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)

    def change(self, change: Change) -> None:
        if change.state not in _QUIET and change.state is not State.FAILED:
            super().change(change)

    def tell(self, event: Event) -> None:
        if event.kind == "reloading":
            return
        self._line(event.text)
        for line in event.lines:
            self._line(f"    {line}")


class DevJson(JsonLines):
    """One object an event: `event`, `at`, `text` and the event's own fields."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out, time.time)

    def tell(self, event: Event) -> None:
        self._event(event.kind, at=self._clock(), text=event.text, **event.fields)


class DevTable(LiveTable):
    """The table at the foot of the terminal, with what does not work yet; the events above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._broken: dict[str, str] = {}  # service -> the first line of why its newest text does not run

    def change(self, change: Change) -> None:
        if change.state is not State.FAILED:
            super().change(change)

    def tell(self, event: Event) -> None:
        if event.kind == "reloading":
            return
        if event.kind == "failed":
            self._broken |= dict.fromkeys(event.fields["services"], event.lines[0])
        elif event.kind == "reloaded":
            self._broken.pop(event.fields["service"], None)
        moment = time.strftime("%H:%M:%S ")
        style = {None: "", True: "green", False: "bold red"}[event.good]
        self._console.print(Text(moment, style="dim").append(Text(event.text, style=style)))
        for line in event.lines:
            self._console.print(Text(f"    {line}", style="dim" if line.startswith("  |") else ""))

    def refresh(self, cluster: Cluster) -> None:
        broken = [Text(f"{name}: {why}", style="red", overflow="ellipsis") for name, why in self._broken.items()]
        self._live.update(Group(table(cluster), *broken), refresh=True)


def display(out: TextIO, *, json_lines: bool) -> DevDisplay:
    """The table on a terminal, plain lines elsewhere, JSON lines where they were asked for."""
    if json_lines:
        return DevJson(out)
    console = Console(file=out)
    return DevTable(console) if console.is_terminal else DevLines(out)
