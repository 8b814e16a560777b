"""Readers of delimited text (CSV and its kin) and of columns separated by white space."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from rapport.errors import MappingError
from rapport.replay.convert import Cell
from rapport.replay.mapping import FileFormat
from rapport.replay.rows import CHUNK_ROWS, Chunk, Rejected

__all__ = ["TextReader"]


class TextReader:
    """Rows of text with a fixed number of columns, named by a header line or by the mapping's layouts."""

    def __init__(self, name: str, lines: TextIO, file_format: FileFormat, *, whitespace: bool) -> None:
        self._name = name
        self._format = file_format
        self._source = _Lines(lines)
        self._rows = _split(self._source) if whitespace else _Csv(self._source, file_format.delimiter)
        self._first: list[str] | None = None
        self._columns = self._read_head()
        self._missing = frozenset({"", *file_format.missing})

    @property
    def columns(self) -> list[str]:
        return self._columns

    def chunks(self) -> Iterator[Chunk]:
        """The file's rows; blank lines are no rows. A row of another width is rejected."""
        number = 0
        cells: list[list[str]] = []
        rows: list[int] = []
        lines: list[int] = []
        rejected: list[Rejected] = []
        width = len(self._columns)
        for row in self._all_rows():
            if not row:
                continue
            number += 1
            if isinstance(row, str) or len(row) != width:
                rejected.append(self._reject(number, row))
            else:
                cells.append(row)
                rows.append(number)
                lines.append(self._source.start)
            if len(cells) + len(rejected) >= CHUNK_ROWS:
                yield self._chunk(cells, rows, lines, rejected)
                cells, rows, lines, rejected = [], [], [], []
        if cells or rejected:
            yield self._chunk(cells, rows, lines, rejected)

    def _all_rows(self) -> Iterator[list[str] | str]:
        if self._first is not None:
            yield self._first
            self._source.next_row()
        for row in self._rows:
            yield row
            self._source.next_row()

    def _read_head(self) -> list[str]:
        first: list[str] | str = []
        for first in self._rows:
            if first:
                break
            self._source.next_row()
        if not first or isinstance(first, str):
            raise MappingError(f"{self._name}: there is no row in it; expected a header line or data")
        cells = [cell.strip() for cell in first]
        if not self._format.layouts:
            self._source.next_row()
            return self._checked(cells)
        layout = next((names for names in self._format.layouts if len(names) == len(cells)), None)
        if layout is None:
            widths = " or ".join(str(len(names)) for names in self._format.layouts)
            raise MappingError(f"{self._name}, line 1: {len(cells)} columns; the mapping's layouts have {widths}")
        if cells == layout:
            self._source.next_row()
        else:
            self._first = first
        return layout

    def _checked(self, names: list[str]) -> list[str]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise MappingError(
                f"{self._name}, line 1: the header has {twice[0]!r} more than once; name the columns with `layouts`"
            )
        return names

    def _chunk(
        self, cells: list[list[str]], rows: list[int], lines: list[int], rejected: list[Rejected]
    ) -> Chunk:
        missing = self._missing
        columns: dict[str, list[Cell]] = {}
        for name, values in zip(self._columns, zip(*cells, strict=True), strict=bool(cells)):
            columns[name] = [None if value in missing or value.isspace() else value for value in values]
        return Chunk(columns or {name: [] for name in self._columns}, rows, lines, rejected=rejected)

    def _reject(self, number: int, row: list[str] | str) -> Rejected:
        if isinstance(row, str):
            detail = f"cannot be read: {row}"
        else:
            detail = f"{len(row)} columns where the file has {len(self._columns)}"
        return Rejected(number, self._source.start, self._source.text(), "bad_value", "", detail)


class _Lines:
    """A file's lines, counted, and kept until the row they belong to is done."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self._pending: list[str] = []
        self.start = 1
        """Line at which the present row starts."""

    def __iter__(self) -> Iterator[str]:
        keep = self._pending.append
        for line in self._lines:
            keep(line)
            yield line

    def text(self) -> str:
        return "".join(self._pending).rstrip("\r\n")

    def next_row(self) -> None:
        self.start += len(self._pending)
        self._pending.clear()


class _Csv:
    """csv.reader that gives an error's text in place of a row, and goes on."""

    def __init__(self, lines: _Lines, delimiter: str) -> None:
        self._reader = csv.reader(lines, delimiter=delimiter)

    def __iter__(self) -> Iterator[list[str] | str]:
        while True:
            try:
                yield from self._reader
                return
            except csv.Error as error:
                yield str(error)


def _split(lines: _Lines) -> Iterator[list[str] | str]:
    for line in lines:
        yield line.split()
