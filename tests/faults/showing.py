"""The fault matrix as a table of Markdown, and as a picture of every cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.faults.matrix import Cell, Key, Row
from tests.faults.picture import picture
from tests.faults.routes import ROUTES

__all__ = ["MEANING", "draw", "table", "write_section"]

_BEGIN, _END = "<!-- fault matrix: written by `make faults` -->", "<!-- end of the fault matrix -->"
_DECISION: Key = ("POST", "/personalize")
_USUAL, _WITHOUT, _LATER, _WRONG = "#dcfce7", "#fef9c3", "#fed7aa", "#ef4444"
MEANING = {_USUAL: "as usual", _WITHOUT: "200, without something", _LATER: "429 or 503, told when", _WRONG: "an error"}
"""Of the colours."""


def table(rows: Sequence[Row], rounds: int) -> str:
    """A line for each fault."""
    lines = [
        "| fault | decisions: answers, p50 / longest | the first, when it begins | without | told to come back later |"
        " circuit opened | all well after |",
        "|---|---|---|---|---|---|---|",
        *map(_line, rows),
    ]
    asked = sum(sum(cell.statuses.values()) for row in rows for cell in row.cells.values())
    return "\n".join(
        [
            *lines,
            "",
            f"{len(rows)} rows, {len(ROUTES)} routes, {rounds} requests a cell, four at a time: {asked:,} answers, of "
            f"which {_failures(rows)} were neither as usual nor told to come back later.",
        ]
    )


def write_section(page: Path, text: str) -> None:
    """Put it between the marks of the page.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page} has no section between {_BEGIN} and {_END}")
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Every cell: its colour says what was answered, its figures the median and the longest time in milliseconds."""
    cells = [[_shown(key, row.cells[key]) for key in ROUTES] for row in rows]
    path.write_text(picture([row.fault.name for row in rows], [" ".join(key) for key in ROUTES], cells, MEANING))


def _line(row: Row) -> str:
    cell = row.cells[_DECISION]
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(cell.statuses.items()))
    without = ", ".join(f"`{code}`" for code in sorted(cell.degraded)) or "nothing"
    return (
        f"| {row.fault.name}: {row.fault.said} | {answers}, {cell.p50_ms:.1f} / {cell.most_ms:.0f} ms "
        f"| {row.first_ms:.0f} ms | {without} | {_later(row)} | {row.opened or '–'} | {row.recovered_s:.1f} s |"
    )


def _later(row: Row) -> str:
    """The routes that refused, with what, and how long it took at most."""
    told = []
    for (_, path), cell in row.cells.items():
        statuses = [status for status in sorted(cell.statuses) if status in (429, 503)]
        if statuses:
            said = ", ".join(f"{status} {reason}" for status in statuses for reason in _reasons(cell))
            told.append(f"`{path}` {said} ({cell.most_ms:,.0f} ms)")
    return "; ".join(told) or "nobody"


def _reasons(cell: Cell) -> list[str]:
    return [f"`{reason}`" for reason in sorted(cell.degraded)]


def _failures(rows: Sequence[Row]) -> int:
    return sum(len(cell.findings) for row in rows for cell in row.cells.values())


def _shown(key: Key, cell: Cell) -> tuple[str, str]:
    return _colour(key, cell), f"{cell.p50_ms:.0f} · {cell.most_ms:.0f}"


def _colour(key: Key, cell: Cell) -> str:
    if cell.findings:
        return _WRONG
    if set(cell.statuses) & {429, 503}:
        return _LATER
    return _WITHOUT if cell.degraded else _USUAL
