"""Columns of text, aligned. Nothing is cut: what is printed can be searched and copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from mesh.logs import escape_controls


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its head in capitals, two spaces between columns, numbers to the right."""
    body = [["-" if cell is None or cell == "" else escape_controls(str(cell)) for cell in row] for row in rows]
    right = [_numbers([row[i] for row in body]) for i in range(len(head))]
    lines = [[title.upper() for title in head], *body]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(_pad(cell, widths[i], right[i]) for i, cell in enumerate(line)).rstrip() for line in lines
    )


def _pad(cell: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space


def _numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers and gaps."""
    there = [cell for cell in cells if cell != "-"]
    return bool(there) and all(cell.replace(".", "", 1).lstrip("-").isdigit() for cell in there)
