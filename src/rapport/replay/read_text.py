"""Readers of delimited text (CSV and its kin) and of columns separated by white space."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TextIO

from rapport.errors import MappingError
from rapport.mapping.convert import Cell
from rapport.replay.mapping import FileFormat
from rapport.replay.rows import CHUNK_ROWS, Chunk, Rejected

__all__ = ["TextReader"]


_BLOCK_BYTES = 1 << 18


class TextReader:
    """Rows of text with a fixed number of columns, named by a header line or by the mapping's layouts."""

    def __init__(self, name: str, text: TextIO, file_format: FileFormat, *, whitespace: bool) -> None:
        self._name = name
        self._format = file_format
        self._lines = _Lines(text)
        self._rows = _Words(self._lines) if whitespace else _Csv(self._lines, file_format.delimiter)
        self._missing = frozenset({"", *file_format.missing})
        self._first: list[str] | None = None
        self._columns = self._read_head()

    @property
    def columns(self) -> list[str]:
        return self._columns

    def chunks(self) -> Iterator[Chunk]:
        """The file's rows; blank lines are no rows. A row of another width is rejected."""
        number = 0
        part = _Part()
        width = len(self._columns)
        for row in self._all_rows():
            start, self._lines.start = self._lines.start, self._rows.line_num + 1
            if not row:
                continue
            number += 1
            if len(row) == width and row.__class__ is list:
                part.cells.append(row)
                part.rows.append(number)
                part.lines.append(start)
            else:
                part.rejected.append(self._reject(number, start, row))
            if len(part.cells) + len(part.rejected) >= CHUNK_ROWS:
                yield self._chunk(part)
                part = _Part()
        if part.cells or part.rejected:
            yield self._chunk(part)

    def _all_rows(self) -> Iterator[list[str] | str]:
        if self._first is not None:
            yield self._first
        yield from self._rows

    def _read_head(self) -> list[str]:
        first: list[str] | str = next((row for row in self._rows if row), [])
        if not first or isinstance(first, str):
            raise MappingError(f"{self._name}: there is no row in it; expected a header line or data")
        cells = [cell.strip() for cell in first]
        layout = self._layout(cells) if self._format.layouts else _checked(self._name, cells)
        if cells == layout:
            self._lines.start = self._rows.line_num + 1
        else:
            self._first = first
            self._lines.start = self._rows.line_num
        return layout

    def _layout(self, cells: list[str]) -> list[str]:
        for names in self._format.layouts:
            if len(names) == len(cells):
                return names
        widths = " or ".join(str(len(names)) for names in self._format.layouts)
        raise MappingError(f"{self._name}, line 1: {len(cells)} columns; the mapping's layouts have {widths}")

    def _chunk(self, part: _Part) -> Chunk:
        missing = self._missing
        columns: dict[str, list[Cell]] = {name: [] for name in self._columns}
        for name, values in zip(self._columns, zip(*part.cells, strict=True), strict=False):
            columns[name] = [None if value in missing or value.isspace() else value for value in values]
        return Chunk(columns, part.rows, part.lines, rejected=part.rejected)

    def _reject(self, number: int, start: int, row: list[str] | str) -> Rejected:
        detail = f"{len(row)} columns where the file has {len(self._columns)}"
        if isinstance(row, str):
            detail = f"the row cannot be read: {row}"
        raw = self._lines.text(start, self._rows.line_num)
        return Rejected(number, start, raw, "bad_value", "", detail)


@dataclass(slots=True)
class _Part:
    """Rows on their way into a chunk."""

    cells: list[list[str]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class _Lines:
    """A file's lines, of which it keeps those from the present row's on."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._blocks: deque[tuple[int, list[str]]] = deque()
        self.start = 1
        """Line at which the present row starts."""

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._read())

    def _read(self) -> Iterator[list[str]]:
        after = 1
        while block := self._text.readlines(_BLOCK_BYTES):
            while self._blocks and self._blocks[0][0] + len(self._blocks[0][1]) <= self.start:
                self._blocks.popleft()
            self._blocks.append((after, block))
            after += len(block)
            yield block

    def text(self, start: int, end: int) -> str:
        """The lines from `start` to `end`, both included, as they stand in the file."""
        kept = (
            line for first, block in self._blocks for line in block[max(0, start - first) : max(0, end + 1 - first)]
        )
        return "".join(kept).rstrip("\r\n")


class _Csv:
    """csv.reader that gives an error's text in place of a row, and goes on."""

    def __init__(self, lines: _Lines, delimiter: str) -> None:
        self._reader = csv.reader(lines, delimiter=delimiter)

    @property
    def line_num(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str] | str]:
        while True:
            try:
                yield from self._reader
                return
            except csv.Error as error:
                yield str(error)


class _Words:
    """Lines split at white space."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = iter(lines)
        self.line_num = 0

    def __iter__(self) -> Iterator[list[str] | str]:
        for line in self._lines:
            self.line_num += 1
            yield line.split()


def _checked(name: str, header: list[str]) -> list[str]:
    twice = next((column for column in header if header.count(column) > 1), None)
    if twice is not None:
        raise MappingError(f"{name}, line 1: the header has {twice!r} more than once; name the columns with `layouts`")
    return header
