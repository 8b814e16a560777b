"""Writing a table's months anew without some of their rows: DuckDB reads, Delta replaces a month in one commit.

(Delta's own deletion writes text in a form of Arrow's that pyarrow and pandas cannot filter.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from rapport.archive.layout import MONTH, DataFile, with_month
from rapport.archive.sql import connect, read_parquet, relation
from rapport.archive.table import Snapshot, TopicTable

if TYPE_CHECKING:
    import duckdb

__all__ = ["by_month", "count_rows", "places", "reader", "remove_rows", "sorting"]

_BATCH_ROWS = 100_000


def count_rows(table: TopicTable, condition: str) -> int:
    """How many rows of a table fulfil a condition in DuckDB's SQL."""
    with table.snapshot() as snapshot, sorting() as connection:
        return _count(connection, relation(snapshot, table.schema), condition)


def remove_rows(table: TopicTable, condition: str) -> int:
    """Remove the rows that fulfil a condition in DuckDB's SQL; returns how many they were. Under `table.changing`.

    One month after the other: what was interrupted is finished by calling again.
    """
    removed = 0
    with table.snapshot() as snapshot, sorting() as connection:
        for month, files in by_month(table.files()):
            part = Snapshot(tuple(file.path for file in files), snapshot.schema, snapshot.version)
            source = relation(part, table.schema)
            if count := _count(connection, source, condition):
                kept = f"SELECT * FROM {source} WHERE ({condition}) IS NOT true"  # noqa: S608 - see relation
                table.replace(month, reader(connection, table, kept, months=bool(month)), count)
                removed += count
    return removed


def by_month(files: Sequence[DataFile]) -> list[tuple[str, list[DataFile]]]:
    """The files of each month."""
    ordered = sorted(files, key=lambda file: file.month)
    return [(month, list(some)) for month, some in groupby(ordered, key=lambda file: file.month)]


def sorting() -> duckdb.DuckDBPyConnection:
    """A connection that sorts and groups in 1 GB, and beyond that on disk."""
    return connect(temp_directory=str(Path(tempfile.gettempdir()) / "rapport-duckdb"), memory_limit="1GB")


def places(files: Sequence[DataFile]) -> str:
    """FROM text for files with each row's `filename` and `file_row_number`."""
    return read_parquet((str(file.path) for file in files), "filename = true", "file_row_number = true")


def reader(
    connection: duckdb.DuckDBPyConnection, table: TopicTable, query: str, *, months: bool = True
) -> pa.RecordBatchReader:
    """A query's rows as a stream with the columns of the table, and MONTH if wanted."""
    schema = table.schema.append(pa.field(MONTH, pa.string())) if months else table.schema

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            rows = pa.table([_column(batch, field) for field in table.schema], schema=table.schema)
            yield from (with_month(rows) if months else rows).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(len(batch), field.type)
    return batch.column(field.name).cast(field.type)


def _count(connection: duckdb.DuckDBPyConnection, source: str, condition: str) -> int:
    return int(connection.sql(f"SELECT count(*) FROM {source} WHERE {condition}").fetchall()[0][0])  # noqa: S608
