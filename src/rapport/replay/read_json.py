"""Reader of JSON lines: one object per line, or one row per item of a list inside it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import BinaryIO

import msgspec

from rapport.mapping.convert import Cell
from rapport.replay.mapping import FileFormat
from rapport.replay.rows import CHUNK_ROWS, Chunk, Rejected

__all__ = ["JsonReader"]

Row = dict[str, Cell]


class JsonReader:
    """Objects as rows: nested objects are columns `outer.inner`; the list named by `explode` gives a row per item.

    Numbers with a point are decimals, exactly as written.
    """

    def __init__(self, lines: BinaryIO, file_format: FileFormat) -> None:
        self._lines = lines
        self._explode = file_format.explode
        self._missing = frozenset({"", *file_format.missing})
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode

    @property
    def columns(self) -> None:
        return None

    def chunks(self) -> Iterator[Chunk]:
        gathered = _Gathered()
        number = 0
        for line_number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            number += 1
            self._add(gathered, number, line_number, line)
            if gathered.full():
                yield gathered.chunk(exploded=bool(self._explode))
                gathered = _Gathered()
        if gathered.rows or gathered.rejected:
            yield gathered.chunk(exploded=bool(self._explode))

    def _add(self, gathered: _Gathered, number: int, line_number: int, line: bytes) -> None:
        try:
            rows = self._rows_of(self._decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason, detail = "bad_json", str(error)
        except ValueError as error:
            reason, detail = "bad_value", str(error)
        else:
            gathered.add(number, line_number, rows)
            return
        raw = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        gathered.rejected.append(Rejected(number, line_number, raw, reason, "", detail))

    def _rows_of(self, value: object) -> list[Row]:
        if not isinstance(value, dict):
            raise ValueError("the line is not a JSON object")
        if not self._explode:
            return [self._flat(value)]
        items = value.get(self._explode)
        if not isinstance(items, list):
            raise ValueError(f"{self._explode!r} is not a list")
        outer = self._flat({key: inner for key, inner in value.items() if key != self._explode})
        return [{**outer, **self._flat({self._explode: item})} for item in items]

    def _flat(self, value: Row, prefix: str = "") -> Row:
        row: Row = {}
        for key, inner in value.items():
            if isinstance(inner, dict):
                row.update(self._flat(inner, f"{prefix}{key}."))
            elif not isinstance(inner, str) or inner not in self._missing:
                row[prefix + key] = inner
        return row


class _Gathered:
    """Rows on their way into a chunk."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.rejected: list[Rejected] = []
        self._numbers: list[int] = []
        self._lines: list[int] = []
        self._parts: list[int] = []

    def full(self) -> bool:
        return len(self.rows) + len(self.rejected) >= CHUNK_ROWS

    def add(self, number: int, line: int, rows: list[Row]) -> None:
        self.rows += rows
        self._numbers += [number] * len(rows)
        self._lines += [line] * len(rows)
        self._parts += range(1, len(rows) + 1)

    def chunk(self, *, exploded: bool) -> Chunk:
        names = dict.fromkeys(name for row in self.rows for name in row)
        columns = {name: [row.get(name) for row in self.rows] for name in names}
        return Chunk(columns, self._numbers, self._lines, self._parts if exploded else None, self.rejected)
