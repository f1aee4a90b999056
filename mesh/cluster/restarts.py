"""When a crashed instance is started again, and when no more.

One rule: pure. Time is an argument and randomness is passed in; each instance has its own history.
"""

from __future__ import annotations

import random
from collections import deque

from mesh.cluster.plan import RestartConfig


class Restarts:
    """The crashes of one instance. Exponential back-off with equal jitter: the delay lies between half of the step and
    all of it, so that instances which died together (a bad shared file, a lost database) do not start together.
    """

    def __init__(self, config: RestartConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._crashes: deque[float] = deque(maxlen=config.crashes)

    def crashed(self, now: float) -> float | None:
        """Notes a crash at `now` (seconds, monotonic). Returns the delay in seconds, or None: give up."""
        while self._crashes and now - self._crashes[0] > self._config.window_s:
            self._crashes.popleft()
        self._crashes.append(now)
        count = len(self._crashes)
        if count >= self._config.crashes:
            return None
        exponent = min(count - 1, 32)  # 2**32 of anything is past max_ms
        step_ms: int = min(self._config.max_ms, self._config.first_ms * 2**exponent)
        return step_ms / 1000 * self._rng.uniform(0.5, 1.0)

    def forget(self) -> None:
        """Somebody started it by hand: the history counts no longer."""
        self._crashes.clear()

    @property
    def recent(self) -> int:
        """Crashes in the window, as of the last one."""
        return len(self._crashes)
