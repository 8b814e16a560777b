"""From a file's rows to events: the compiled form of a mapping, for one file.

Rows are converted column by column. Only when a chunk holds a bad value is it halved, again and again, until the bad
rows stand alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rapport.errors import MappingError
from rapport.mapping.convert import CONVERTERS, Cell
from rapport.mapping.encode import encode_events
from rapport.mapping.fields import CellError, converted
from rapport.mapping.templates import ROW
from rapport.mapping.times import TimeParser
from rapport.replay.cases import CompiledCase, compile_cases, needed_columns
from rapport.replay.mapping import Mapping
from rapport.replay.rows import Chunk, Rejected, reject_row

__all__ = ["MappedEvent", "Translated", "Translator"]


class MappedEvent(NamedTuple):
    """An event made of a row, as it goes on the bus."""

    time_us: int
    topic: str
    key: str
    value: bytes


@dataclass(slots=True)
class Translated:
    """What became of a chunk's rows: each is in exactly one of the three."""

    events: list[MappedEvent] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0

    @property
    def given(self) -> int:
        return len(self.events) + len(self.rejected) + self.skipped


class Translator:
    """A mapping, compiled for one file.

    Args:
        mapping: as load_mapping gives it.
        token: the file's token, part of the event ids.
        columns: the file's columns; None when rows name their own.
        file: the file's name, for errors.

    Raises:
        MappingError: the mapping names a column that the file does not have.
    """

    def __init__(self, mapping: Mapping, token: str, columns: Sequence[str] | None, file: str = "the file") -> None:
        self._mapping = mapping
        self._prefix = f"{mapping.name}:{token}:"
        self._time = TimeParser(mapping.time)
        self._customer_id = CONVERTERS[mapping.customer.type]
        self._cases = compile_cases(mapping)
        self._needed = needed_columns(mapping)
        absent = [name for name in self._needed if columns is not None and name not in columns]
        if absent:
            raise MappingError(
                f"{file} has no column {absent[0]!r}, which the mapping {mapping.name} reads; "
                f"its columns are {', '.join(columns or ())}"
            )

    def translate(self, chunk: Chunk) -> Translated:
        """Make events of a chunk's rows; in the order of the rows within each case."""
        columns = {name: chunk.columns.get(name) or [None] * len(chunk) for name in self._needed}
        done = Translated(rejected=list(chunk.rejected))
        indices = self._with_customer(chunk, columns, done)
        for case in self._cases:
            taken, indices = _split(case, columns, indices)
            if case.reason:
                done.rejected += [reject_row(chunk, i, "", case.reason, case.note) for i in taken]
            elif taken:
                self._build(case, chunk, columns, taken, done)
        done.rejected += [
            reject_row(chunk, i, "", "bad_value", "no case of the mapping takes this row") for i in indices
        ]
        return done

    def _with_customer(self, chunk: Chunk, columns: dict[str, list[Cell]], done: Translated) -> list[int]:
        name = self._mapping.customer.column
        cells = columns[name]
        missing = [i for i, cell in enumerate(cells) if cell is None]
        if not missing:
            return list(range(len(chunk)))
        if self._mapping.customer.when_missing == "skip":
            done.skipped += len(missing)
        else:
            detail = f"column {name!r} is empty"
            done.rejected += [reject_row(chunk, i, "customer_id", "no_customer", detail) for i in missing]
        return [i for i, cell in enumerate(cells) if cell is not None]

    def _build(
        self, case: CompiledCase, chunk: Chunk, columns: dict[str, list[Cell]], indices: list[int], done: Translated
    ) -> None:
        try:
            done.events += self._events(case, chunk, columns, indices)
        except CellError as error:
            if len(indices) == 1:
                done.rejected.append(reject_row(chunk, indices[0], error.field, error.reason, error.detail))
                return
            half = len(indices) // 2
            self._build(case, chunk, columns, indices[:half], done)
            self._build(case, chunk, columns, indices[half:], done)

    def _events(
        self, case: CompiledCase, chunk: Chunk, columns: dict[str, list[Cell]], indices: list[int]
    ) -> list[MappedEvent]:
        whole = len(indices) == len(chunk)
        picked: dict[str, Sequence[Cell]] = {
            name: columns[name] if whole else [columns[name][i] for i in indices] for name in case.columns
        }
        picked[ROW] = self._row_names(chunk, indices)
        size = len(indices)
        rule = self._mapping
        times = converted("event_time", rule.time.column, self._time, picked[rule.time.column])
        customers = converted("customer_id", rule.customer.column, self._customer_id, picked[rule.customer.column])
        if rule.customer.prefix:
            customers = [rule.customer.prefix + customer for customer in customers]
        values: dict[str, list[Any]] = {
            "event_id": self._event_ids(picked),
            "customer_id": customers,
            "event_time": [None if time is None else time.text for time in times],
        }
        for name, compute in case.fields.items():
            values[name] = compute(picked, size)
        texts = encode_events(values, case.required)
        return [
            MappedEvent(time.us, case.topic, customer, text)
            for time, customer, text in zip(times, customers, texts, strict=True)
        ]

    def _row_names(self, chunk: Chunk, indices: list[int]) -> list[str]:
        if chunk.parts is None:
            return [str(chunk.rows[i]) for i in indices]
        return [f"{chunk.rows[i]}.{chunk.parts[i]}" for i in indices]

    def _event_ids(self, picked: dict[str, Sequence[Cell]]) -> list[Any]:
        rule = self._mapping.event_id
        if rule.by == "column":
            return converted("event_id", rule.column, CONVERTERS["id"], picked[rule.column])
        return [f"{self._prefix}{row}" for row in picked[ROW]]


def _split(case: CompiledCase, columns: dict[str, list[Cell]], indices: list[int]) -> tuple[list[int], list[int]]:
    if case.test is None or not indices:
        return indices, []
    mask = case.test(columns)
    return [i for i in indices if mask[i]], [i for i in indices if not mask[i]]
