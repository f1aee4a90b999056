"""What a person sees: a progress bar or plain lines, tables, the books. Knows no arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.audit import Audit
from services.demo.figures import Figures

MOST_PROBLEMS = 20  # a screen; the JSON has them all


class Tick(Protocol):
    def __call__(self) -> None: ...


@contextmanager
def progress(console: Console, total: int) -> Iterator[Tick]:
    """A function to call after each trip. A bar on a terminal, ten lines elsewhere."""
    if console.is_terminal:
        columns = (TextColumn("trips"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("trips", total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def line() -> None:
        nonlocal done
        done += 1
        if done * 10 // total != (done - 1) * 10 // total:
            console.print(f"trips: {done} of {total}")

    yield line


def figures(console: Console, lines: Sequence[Figures]) -> None:
    table = Table("service", "method", title="Calls, as their callers saw them")
    for name in ("calls", "errors", "declared", "p50 ms", "SLA", "p99 ms", "SLA"):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(
            line.service,
            line.method.rpartition("::")[2],
            f"{line.calls}",
            f"[red]{line.errors}[/]" if line.errors else "0",
            f"{line.declared}",
            *_beside(line.p50_ms, line.sla_p50_ms),
            *_beside(line.p99_ms, line.sla_p99_ms),
        )
    console.print(table)


def _beside(measured: float | None, promised: float | None) -> tuple[str, str]:
    if measured is None:
        return "-", _ms(promised)
    missed = promised is not None and measured > promised
    return (f"[red]{measured:.1f} ![/]" if missed else f"{measured:.1f}"), _ms(promised)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def books(console: Console, audit: Audit) -> None:
    table = Table("books", title=f"Trips and money of {audit.run}")
    for name in ("trips", "charged", "cents"):
        table.add_column(name, justify="right")
    trips, charged = sum(audit.states.values()), audit.states.get("charged", 0)
    table.add_row("riders' journal", f"{audit.journalled}", "", f"{audit.journal_cents}")
    table.add_row("trips", f"{trips}", f"{charged}", f"{audit.trips_cents}")
    table.add_row("payments", "", f"{audit.charges}", f"{audit.payments_cents}")
    console.print(table)
    console.print("trips ended as: " + ", ".join(f"{count} {state}" for state, count in sorted(audit.states.items())))
    for problem in audit.problems[:MOST_PROBLEMS]:
        console.print(f"[red]{problem}[/]")
    if len(audit.problems) > MOST_PROBLEMS:
        console.print(f"... and {len(audit.problems) - MOST_PROBLEMS} more")
    verdict = "every trip is accounted for" if audit.ok else f"{len(audit.problems)} things do not add up"
    console.print(f"[{'green' if audit.ok else 'red'}]{verdict}[/]")
