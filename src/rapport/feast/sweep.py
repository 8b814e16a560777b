"""History of windowed views over one source of events: DuckDB scans and sorts, the engine computes.

The sorted events are read as a stream and cut between entities, so that the memory needed follows the chunk and the
spine, not the archive (DuckDB spills its sort to disk). Views over the same source share the scan and the sort.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rapport.archive.sql import connect, identifier
from rapport.errors import ArchiveError
from rapport.events.arrow import arrow_type, to_array, to_column
from rapport.windows import Events, Kind, Plan, Values, history
from rapport.windows.view import MAX_SCALE

__all__ = ["STATUS", "EventSource", "sweep"]

STATUS = "__status__"
"""Name of the status column beside a view's features: uint8, rapport.windows' PRESENT, MISSING, EXPIRED."""

_CHUNK_EVENTS = 2_000_000
_BATCH_EVENTS = 250_000
_MEMORY = "2GB"
_SQL_TYPES = {Kind.INT: "BIGINT", Kind.FLOAT: "DOUBLE", Kind.STRING: "VARCHAR", Kind.BOOL: "BOOLEAN"}
Ints = npt.NDArray[np.int64]
Columns = dict[str, tuple[Kind, int]]
"""Kind and decimal places of each column that is wanted."""


@dataclass(frozen=True, slots=True)
class EventSource:
    """Where events are, in DuckDB's words.

    Attributes:
        name: what messages call it.
        sql: text for FROM.
        key: the column of the entity's key.
        time: the column of the event time that counts.
    """

    name: str
    sql: str
    key: str
    time: str


def sweep(
    source: EventSource,
    plans: Sequence[Plan],
    spine_entity: Ints,
    keys: pd.Index,
    as_of_us: Ints,
    chunk_events: int = _CHUNK_EVENTS,
    settings: Mapping[str, str] | None = None,
) -> list[pa.Table]:
    """The features of every plan for every spine row.

    Args:
        source: the events.
        plans: the views, all over this source.
        spine_entity: int64[s], each row's index into `keys`.
        keys: the distinct entity keys.
        as_of_us: int64[s], UTC microseconds.
        chunk_events: events held at once, beyond one entity's own.
        settings: of DuckDB; by default it sorts in 2 GB, and beyond that on disk.

    Returns:
        for each plan a table of s rows: STATUS, then the plan's features.

    Raises:
        ArchiveError: the source lacks a column, or holds values that are not of its kind.
    """
    order = np.argsort(spine_entity, kind="stable")
    entity, as_of = spine_entity[order], as_of_us[order]
    pieces: list[list[pa.Table]] = [[] for _ in plans]
    with _connected(settings or {}) as connection:
        for low, high, starts, events in _chunks(connection, source, plans, keys, as_of, chunk_events):
            rows = slice(*np.searchsorted(entity, (low, high)))
            for plan, parts in zip(plans, pieces, strict=True):
                parts.append(_table(history(plan, events, starts, entity[rows] - low, as_of[rows])))
    back = np.argsort(order, kind="stable")
    return [pa.concat_tables(parts).take(pa.array(back)) for parts in pieces]


def _chunks(
    connection: duckdb.DuckDBPyConnection,
    source: EventSource,
    plans: Sequence[Plan],
    keys: pd.Index,
    as_of: Ints,
    chunk_events: int,
) -> Iterator[tuple[int, int, Ints, Events]]:
    """Chunks (low, high, event_starts, events): all events of the entities low to high - 1. They cover all keys."""
    kinds = {name: (plan.view.kinds[name], plan.view.scales.get(name, 0)) for plan in plans for name in plan.columns}
    low, held, count = 0, [], 0
    for batch in _sorted(connection, source, kinds, keys, int(as_of.max(initial=0))):
        held.append(batch)
        count += len(batch)
        newest = int(batch["entity"][-1].as_py())
        if count > chunk_events and newest > low:
            table = pa.Table.from_batches(held)
            yield _chunk(table, kinds, low, newest)
            rest = table.filter(pc.greater_equal(table["entity"], newest)).to_batches()
            low, held, count = newest, rest, sum(map(len, rest))
    yield _chunk(pa.Table.from_batches(held, _schema(kinds) if not held else None), kinds, low, len(keys))


def _sorted(
    connection: duckdb.DuckDBPyConnection, source: EventSource, kinds: Columns, keys: pd.Index, until_us: int
) -> Iterator[pa.RecordBatch]:
    if not len(keys):
        return
    wanted = pa.table({"key": pa.array(keys), "entity": pa.array(np.arange(len(keys)))})
    connection.register("wanted", wanted)
    try:
        query = _query(source, kinds, until_us, text=pa.types.is_string(wanted["key"].type))
        yield from connection.sql(query).to_arrow_reader(_BATCH_EVENTS)
    except (duckdb.Error, pa.ArrowException) as error:
        raise ArchiveError(f"the events of {source.name} cannot be read: {error}") from error


def _query(source: EventSource, kinds: Columns, until_us: int, *, text: bool) -> str:
    key = f"CAST(e.{identifier(source.key)} AS VARCHAR)" if text else f"e.{identifier(source.key)}"
    time = f"epoch_us(e.{identifier(source.time)})"
    columns = "".join(f", {_value(name, *kind)} AS {identifier(f'c_{name}')}" for name, kind in kinds.items())
    return (
        f"SELECT w.entity, {time} AS time{columns} "  # noqa: S608 - identifiers are quoted, the number is ours
        f"FROM {source.sql} e JOIN wanted w ON {key} = w.key "
        f"WHERE {time} <= {until_us} ORDER BY w.entity, time"
    )


def _value(name: str, kind: Kind, scale: int) -> str:
    sql_type = f"DECIMAL({MAX_SCALE}, {scale})" if kind is Kind.DECIMAL else _SQL_TYPES[kind]
    value = f"CAST(e.{identifier(name)} AS {sql_type})"
    return f"CASE WHEN isfinite({value}) THEN {value} END" if kind is Kind.FLOAT else value


def _schema(kinds: Columns) -> pa.Schema:
    columns = {f"c_{name}": arrow_type(*kind) for name, kind in kinds.items()}
    return pa.schema({"entity": pa.int64(), "time": pa.int64(), **columns})


def _chunk(table: pa.Table, kinds: Columns, low: int, high: int) -> tuple[int, int, Ints, Events]:
    entity = _numbers(table, "entity")
    starts = np.searchsorted(entity, np.arange(low, high + 1)).astype(np.int64)
    last = int(starts[-1])
    columns = {
        name: to_column(kind, _joined(table, f"c_{name}").slice(0, last), scale)
        for name, (kind, scale) in kinds.items()
    }
    return low, high, starts, Events(_numbers(table, "time")[:last], columns)


def _numbers(table: pa.Table, name: str) -> Ints:
    return np.ascontiguousarray(_joined(table, name).to_numpy(), np.int64)


def _joined(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    if pa.types.is_string(column.type):  # whose offsets are 32 bits: a chunk may hold more
        column = column.cast(pa.large_string())
    return column.combine_chunks()


def _table(values: Values) -> pa.Table:
    columns: dict[str, Any] = {STATUS: pa.array(values.status)}
    columns |= {name: to_array(column) for name, column in zip(values.names, values.features, strict=True)}
    return pa.table(columns)


def _connected(settings: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    spill = Path(tempfile.gettempdir()) / "rapport-duckdb"
    own = {"temp_directory": str(spill), "memory_limit": _MEMORY, "preserve_insertion_order": "false"}
    return connect(**{**own, **settings})
