"""What each topic's table holds: closed Arrow schemas, and the conversion of checked rows to them.

The columns are BASE and the topic's own of rapport.events.columns; `x_time_us` integers are stored as the UTC
timestamps `x_time`. `decisions` holds decision records as JSON text beside their keys. A topic of events is stored with
SOURCE beside its columns: where on the bus each event came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.errors import ArchiveError
from rapport.events.columns import BASE, COLUMNS
from rapport.windows.view import Kind

__all__ = [
    "DECISIONS",
    "SOURCE",
    "TIMESTAMP",
    "TOPICS",
    "arrow_schema",
    "conform",
    "from_block",
    "from_rows",
    "stored_name",
    "stored_schema",
    "with_source",
]

DECISIONS = "decisions"
"""The topic of decision records."""
TOPICS: tuple[str, ...] = (*COLUMNS, DECISIONS)
"""The topics that have a table."""
TIMESTAMP = pa.timestamp("us", "UTC")
"""How every time is stored: microseconds, UTC."""

SOURCE = ("source_partition", "source_hi", "source_lo")
"""An event's place on the bus, int64: its partition and position there. Null: archived by a version without it."""

_TYPES = {Kind.INT: pa.int64(), Kind.FLOAT: pa.float64(), Kind.STRING: pa.string(), Kind.BOOL: pa.bool_()}
_TIME_SUFFIX = "_time_us"
_REQUIRED = ("event_id", "customer_id", "event_time")
_DECISION_SCHEMA = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("event_time", TIMESTAMP, nullable=False),
        pa.field("record", pa.string(), nullable=False),
    ]
)


def stored_name(column: str) -> str:
    """The archive's name of a column of a checked row: `event_time_us` is stored as `event_time`."""
    return column.removesuffix("_us") if column.endswith(_TIME_SUFFIX) and column in BASE else column


def arrow_schema(topic: str) -> pa.Schema:
    """The columns of a topic's table, in order.

    Raises:
        ArchiveError: the topic has no table.
    """
    if topic == DECISIONS:
        return _DECISION_SCHEMA
    if topic not in COLUMNS:
        raise ArchiveError(f"the archive has no topic {topic!r}; it has {', '.join(TOPICS)}")
    columns = {**BASE, **COLUMNS[topic]}
    return pa.schema([_field(name, kind) for name, kind in columns.items()])


def stored_schema(topic: str) -> pa.Schema:
    """The columns of a topic's table as it is stored: those of arrow_schema, and for events SOURCE."""
    schema = arrow_schema(topic)
    if topic == DECISIONS:
        return schema
    return pa.schema([*schema, *(pa.field(name, pa.int64()) for name in SOURCE)])


def with_source(table: pa.Table, partition: int, hi: NDArray[np.int64], lo: NDArray[np.int64]) -> pa.Table:
    """The rows with SOURCE: their partition, and the two numbers of each row's position in it."""
    for name, values in zip(SOURCE, (pa.repeat(partition, len(table)), hi, lo), strict=True):
        table = table.append_column(name, pa.array(values, pa.int64()))
    return table


def from_block(topic: str, rows: pa.RecordBatch) -> pa.Table:
    """A topic's table from checked rows of rapport.events.block."""
    schema = arrow_schema(topic)
    return pa.table([column.cast(kind) for column, kind in zip(rows.columns, schema.types, strict=True)], schema=schema)


def from_rows(topic: str, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """A topic's table from checked rows: sequences of values in the order BASE, then COLUMNS[topic]; times are
    integer microseconds, UTC.

    Raises:
        ArchiveError: a row of another length, or a value that is not of its column's type.
    """
    schema = arrow_schema(topic)
    for row in rows:
        if len(row) != len(schema):
            raise ArchiveError(f"a checked row of {topic!r} has {len(row)} values; its columns are {len(schema)}")
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [_array(topic, field, values) for field, values in zip(schema, columns, strict=True)]
    return pa.table(arrays, schema=schema)


def conform(topic: str, table: pa.Table) -> pa.Table:
    """The table with exactly the stored columns, order and types; SOURCE is null where it is not given.

    Raises:
        ArchiveError: a column is missing, unknown, of a type that does not fit, or null where a value is required.
    """
    schema = stored_schema(topic)
    for name in SOURCE:
        if name in schema.names and name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.int64()))
    missing = [name for name in schema.names if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in schema.names]
    if missing or unknown or table.num_columns != len(schema):
        raise ArchiveError(
            f"rows for the archive of {topic!r} do not have its columns: missing {missing or 'none'}, unknown "
            f"{unknown or 'none'}; it has {', '.join(schema.names)}"
        )
    return pa.table([_cast(topic, field, table.column(field.name)) for field in schema], schema=schema)


def _field(name: str, kind: Kind) -> pa.Field:
    stored = stored_name(name)
    return pa.field(stored, _TYPES[kind] if stored == name else TIMESTAMP, nullable=stored not in _REQUIRED)


def _array(topic: str, field: pa.Field, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ArchiveError(f"column {field.name!r} of {topic!r} takes {field.type} values: {error}") from error


def _cast(topic: str, field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count and not field.nullable:
        raise ArchiveError(f"column {field.name!r} of {topic!r} has {column.null_count} nulls; every row needs a value")
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ArchiveError(
            f"column {field.name!r} of {topic!r} is {column.type}, which does not fit {field.type}: {error}"
        ) from error
