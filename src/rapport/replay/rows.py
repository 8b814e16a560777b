"""What file readers give: rows as columns, with the place in the file that each row comes from; and rows set aside."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import msgspec

from rapport.mapping.convert import Cell

__all__ = ["CHUNK_ROWS", "Chunk", "Rejected", "reject_row"]

CHUNK_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that becomes no event.

    Attributes:
        row: the row's number in the file's data, from 1.
        line: the line it starts at, from 1; in Parquet, the row.
        raw: the row as text: as it stood in the file when it could not be read, else JSON of its columns.
        reason: a dead letter's reason.
        field: the field or column at fault, "" for the row.
        detail: one sentence.
    """

    row: int
    line: int
    raw: str
    reason: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows as columns of equal length (None: no value), and rows that could not be read."""

    columns: dict[str, list[Cell]]
    rows: list[int]
    """Each row's number, from 1; equal for the rows exploded from one line."""
    lines: list[int]
    parts: list[int] | None = None
    """Number of the item within its line's list, from 1, when the file is exploded."""
    rejected: list[Rejected] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


def reject_row(chunk: Chunk, index: int, field: str, reason: str, detail: str) -> Rejected:
    """A row of a chunk as a rejected one, with its columns as JSON."""
    row = {name: cells[index] for name, cells in chunk.columns.items()}
    try:
        raw = msgspec.json.encode(row, enc_hook=str).decode()
    except UnicodeEncodeError:
        raw = json.dumps(row, default=str)  # escapes what is no Unicode
    return Rejected(chunk.rows[index], chunk.lines[index], raw, reason, field, detail)
