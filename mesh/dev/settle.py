"""When a burst of saves is over: an editor's "save all", a formatter behind it, a `git checkout`.

One rule: pure. The time is an argument; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# Editors write the files of a "save all" within milliseconds, a formatter on save answers in tens.
QUIET_S = 0.1
# Whatever goes on (a generator that writes for seconds): after this what is there is taken.
LONGEST_S = 1.0


class Burst:
    """Collects changes until nothing more came for `quiet_s`, or the first is `longest_s` old."""

    def __init__(self, *, quiet_s: float = QUIET_S, longest_s: float = LONGEST_S) -> None:
        self._quiet_s = quiet_s
        self._longest_s = longest_s
        self._paths: set[Path] = set()
        self._first = 0.0
        self._last = 0.0

    def __bool__(self) -> bool:
        return bool(self._paths)

    @property
    def first(self) -> float:
        """When it began, on the clock of `now`."""
        return self._first

    def add(self, paths: Iterable[Path], now: float) -> None:
        paths = set(paths)
        if not paths:
            return
        if not self._paths:
            self._first = now
        self._last = now
        self._paths |= paths

    def due_in(self, now: float) -> float | None:
        """Seconds until `take` gives the burst (0: now); None while there is none."""
        if not self._paths:
            return None
        return max(0.0, min(self._last + self._quiet_s, self._first + self._longest_s) - now)

    def take(self) -> frozenset[Path]:
        """The changed files; the next change begins another burst."""
        paths, self._paths = frozenset(self._paths), set()
        return paths
