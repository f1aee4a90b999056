"""What keeps a project or a service from being made."""

from __future__ import annotations


class ScaffoldError(Exception):
    """Nothing was written. `advice` is what to do about it, if that is not plain."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice
