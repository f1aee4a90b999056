"""What `mesh dev` tells: each event with a text for people and fields for programs.

One rule: paths are shown relative to the project, as a person names them and as terminals make them clickable
(`file:line`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.contract.problem import Finding

MAX_NAMED = 3  # files in one line for people; a program gets all of them
MAX_FIELDS = 200  # but no more than a page full: a checkout of another branch changes thousands


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is the JSON line's `event`; `lines` stand below the text on a terminal. `good` is None for plain news."""

    kind: str
    text: str
    fields: dict[str, Any]
    lines: tuple[str, ...] = field(default=())
    good: bool | None = None


class Events:
    """Makes events. `directory` is the project's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def shown(self, path: Path | str) -> str:
        path = Path(path)
        return str(path.relative_to(self._directory)) if path.is_relative_to(self._directory) else str(path)

    def changed(self, paths: Iterable[Path], services: Sequence[str]) -> Event:
        files = self._files(paths)
        whom = f"concerns {', '.join(services)}" if services else "no service needs it"
        return Event("changed", f"{_some(files)} changed: {whom}", {"files": files, "services": list(services)})

    def stubs(self, paths: Iterable[Path]) -> Event:
        files = self._files(paths)
        return Event("stubs", f"{_some(files)} rebuilt", {"files": files})

    def reloading(self, service: str, paths: Iterable[Path]) -> Event:
        files = self._files(paths)
        return Event("reloading", f"{service}: reloading", {"service": service, "files": files})

    def reloaded(self, service: str, pid: int, live_s: float, alone_s: float, paths: Iterable[Path]) -> Event:
        """`live_s` after the edit was seen the new process took calls, after `alone_s` it took all."""
        files = self._files(paths)
        told = {"service": service, "pid": pid, "ms": round(live_s * 1000), "alone_ms": round(alone_s * 1000)}
        text = f"{service}: live after {told['ms']} ms ({_some(files)})"
        return Event("reloaded", text, {**told, "files": files}, good=True)

    def broken(self, services: Sequence[str], findings: Sequence[Finding], *, serving: bool) -> Event:
        """Files that cannot work, told before anything was started."""
        told = [{"file": self.shown(one.file), "line": one.line, "reason": one.reason} for one in findings]
        lines = tuple(f"{one['file']}:{one['line']}: {one['reason']}" for one in told)
        return self._failed(services, told, lines, (), serving)

    def failed(
        self, service: str, file: str, line: int, reason: str, output: tuple[str, ...], *, serving: bool
    ) -> Event:
        """A new process that did not get ready."""
        at = self.shown(file) if file else ""
        place = f"{at}:{line}: " if at else ""
        told = [{"file": at, "line": line, "reason": reason}]
        return self._failed([service], told, (f"{place}{reason}",), output, serving)

    def note(self, text: str) -> Event:
        return Event("note", text, {}, good=False)

    def _failed(
        self,
        services: Sequence[str],
        problems: list[dict[str, Any]],
        lines: tuple[str, ...],
        output: tuple[str, ...],
        serving: bool,
    ) -> Event:
        kept = "the process from before goes on serving" if serving else "nothing serves until this is mended"
        names = ", ".join(services)
        return Event(
            "failed",
            f"{names}: not reloaded; {kept}",
            {"services": list(services), **problems[0], "problems": problems, "serving": serving, "output": output},
            (*lines, *(f"  | {line}" for line in output)),
            good=False,
        )

    def _files(self, paths: Iterable[Path]) -> list[str]:
        return sorted(self.shown(path) for path in paths)[:MAX_FIELDS]


def _some(files: Sequence[str]) -> str:
    more = len(files) - MAX_NAMED
    return ", ".join(files[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
