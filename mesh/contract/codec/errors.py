"""The one error of the codec, with the path to what is wrong."""

from __future__ import annotations


class CodecError(Exception):
    """Bytes or objects that do not fit the contract.

    `path` names the place from the outside in (`QuoteRequest.stops[3].lat`), `reason` what is wrong there
    (`expected double, got string`). Built from the inside out: each level that an error passes puts its own step
    in front with `under`.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def under(self, step: str) -> CodecError:
        """Puts `step` (a name, or an index in brackets) in front of the path and returns the error itself."""
        joint = "" if not self.path or self.path[0] in "[{" else "."
        self.path = f"{step}{joint}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason
