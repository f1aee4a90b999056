"""What is wrong with a contract, and where.

One rule: every complaint has a file, a line and a reason that says what would be right.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

MAX_SHOWN = 20  # complaints in one error's text: as many as a person reads before fixing the first


class Level(enum.StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One complaint. `line` counts from 1; 0 says that it is about the file as a whole."""

    file: str
    line: int
    level: Level
    reason: str

    @property
    def place(self) -> str:
        """`FILE:LINE`; the file alone where the complaint is about all of it."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class ContractError(Exception):
    """A contract that cannot be used. `file`, `line` and `reason` tell the first finding, `findings` all of them."""

    def __init__(self, file: str, line: int, reason: str, findings: Iterable[Finding] = ()) -> None:
        self.findings = tuple(findings) or (Finding(file, line, Level.ERROR, reason),)
        shown = [str(finding) for finding in self.findings[:MAX_SHOWN]]
        if len(self.findings) > MAX_SHOWN:
            shown.append(f"and {len(self.findings) - MAX_SHOWN} more")
        super().__init__("\n".join(shown))
        self.file = file
        self.line = line
        self.reason = reason


class Findings:
    """Collects what is wrong with one file; reading goes on, so that a person sees everything at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.items: list[Finding] = []
        self.broken = 0  # how many errors there are

    def error(self, line: int, reason: str) -> None:
        self.items.append(Finding(self.file, line, Level.ERROR, reason))
        self.broken += 1

    def warning(self, line: int, reason: str) -> None:
        self.items.append(Finding(self.file, line, Level.WARNING, reason))

    @property
    def errors(self) -> list[Finding]:
        """The errors in the order of the text."""
        return sorted({item for item in self.items if item.level is Level.ERROR}, key=lambda item: item.line)

    def raise_errors(self) -> None:
        """Raises ContractError if there is any error."""
        errors = self.errors
        if errors:
            raise ContractError(errors[0].file, errors[0].line, errors[0].reason, errors)
