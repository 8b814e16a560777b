"""Doing work once per distinct value: files repeat themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rapport.mapping.convert import Cell

__all__ = ["each", "each_row"]


def each(function: Callable[[Cell], Any], cells: Sequence[Cell]) -> list[Any]:
    """`function` of each cell, None for None; called once per distinct text."""
    if not _all_text(cells):
        return [None if cell is None else function(cell) for cell in cells]
    known: dict[Cell, Any] = {cell: function(cell) for cell in set(cells) if cell is not None}
    known[None] = None
    return [known[cell] for cell in cells]


def each_row(function: Callable[[tuple[Cell, ...]], Any], columns: Sequence[Sequence[Cell]]) -> list[Any]:
    """`function` of each row of equally long columns, None where a cell is None; once per distinct row of texts."""
    rows = list(zip(*columns, strict=True))
    if not all(_all_text(column) for column in columns):
        return [None if None in row else function(row) for row in rows]
    known = {row: None if None in row else function(row) for row in set(rows)}
    return [known[row] for row in rows]


def _all_text(cells: Sequence[Cell]) -> bool:
    # Only texts: 1, 1.0 and True are equal as keys, and are not the same value.
    return set(map(type, cells)) <= {str, type(None)}
