"""What a command ends with: an exit code, and a failure as one clear line.

One rule: a failure of a call ends with its row's code of the error table; the codes here are for everything else.
"""

from __future__ import annotations

from mesh.contract.words import nearest as nearest
from mesh.errors import EXIT_DECLARED, TABLE

OK = 0
NO = 1  # what was asked for does not hold (an instance is unhealthy, no Consul can be had)
USAGE = 2  # wrong usage or bad input; argparse's own code
INTERNAL = 70  # a bug; EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # Ctrl-C, as shells say it: 128 + SIGINT
BROKEN_PIPE = 141  # the reader of the output went away: 128 + SIGPIPE


class CommandError(Exception):
    """A command cannot do what it was asked to. `advice` is what to do about it, if that is not plain."""

    def __init__(self, reason: str, *, code: int = USAGE, advice: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.advice = advice


def table() -> list[tuple[int, str, str]]:
    """Every exit code with its name and meaning, as docs/cli.md prints them."""
    rows = [
        (OK, "ok", "it worked"),
        (NO, "no", "what was asked for does not hold: an instance is not healthy, a check found something"),
        (USAGE, "usage", "wrong usage, or input that cannot be read"),
        (EXIT_DECLARED, "declared", "the method answered with an exception that its contract declares"),
        *((row.kind.exit, row.kind.name, row.kind.advice) for row in TABLE),
        (INTERNAL, "internal", "a bug in mesh; mesh --debug COMMAND shows the stack"),
        (INTERRUPTED, "interrupted", "Ctrl-C"),
        (BROKEN_PIPE, "broken pipe", "the reader of the output went away"),
    ]
    return sorted(rows)
