"""Measurements as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.frame import Measurement
from benchmarks.results import Group

__all__ = ["HEADER", "cells", "figure", "print_group"]

HEADER = ("what", "median", "p99", "unit", "beside it", "its median", "its p99", "times as good")


def figure(value: float | None) -> str:
    """Three significant digits, with thousands set apart; "" for None."""
    if value is None:
        return ""
    if abs(value) >= 1_000:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def cells(measurements: tuple[Measurement, ...]) -> Iterator[tuple[str, ...]]:
    """One row of texts per measurement, as HEADER has them."""
    for one in measurements:
        yield (
            one.name,
            figure(one.value),
            figure(one.p99),
            one.unit,
            one.peer,
            figure(one.peer_value),
            figure(one.peer_p99),
            figure(one.ratio),
        )


def print_group(console: Console, group: Group) -> None:
    """One benchmark's table, or its error."""
    if group.error:
        console.print(f"[red]{group.name}: {group.error}[/red]")
        return
    table = Table(title=f"{group.title}  [dim]({group.name}, {group.seconds:.0f} s)[/dim]", title_justify="left")
    for i, name in enumerate(HEADER):
        table.add_column(name, justify="left" if i in (0, 3, 4) else "right")
    for row in cells(tuple(one for one in group.measurements if not one.timed)):
        table.add_row(*row)
    console.print(table)
