"""How long to wait before asking again.

One rule: the wait grows with every failure, is never the same for two processes, and never falls below a second.
"""

from __future__ import annotations

import random

MIN_WAIT_S = 1.0  # at most one request a second while the registry is in trouble
MAX_WAIT_S = 10.0  # a registry that is back is found again within this; longer would outlast a rolling restart


class Backoff:
    """Exponential with jitter: the n-th wait is drawn from the upper half of `min(cap, 2^n)` seconds.

    The upper half ("equal jitter") and not the whole range, because the floor of one second leaves nothing below.
    """

    def __init__(self, rng: random.Random, *, cap_s: float = MAX_WAIT_S) -> None:
        self._rng = rng
        self._cap_s = cap_s
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        self._failures = min(self._failures + 1, 16)  # 2^16 s is above every cap; more would only overflow
        ceiling = min(self._cap_s, 2.0**self._failures)
        return max(MIN_WAIT_S, self._rng.uniform(ceiling / 2, ceiling))

    def reset(self) -> None:
        """After a success the next failure starts small again."""
        self._failures = 0
