"""DuckDB over Parquet files: quiet connections, and SQL text with exactly the columns that are expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from rapport.archive.table import Snapshot

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect", "identifier", "literal", "read_parquet", "relation"]

_TYPES = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


def connect(**settings: str) -> duckdb.DuckDBPyConnection:
    """A connection of its own to no database, with settings of DuckDB; it draws no progress bar."""
    import duckdb

    connection = duckdb.connect(config=settings)
    connection.execute("SET enable_progress_bar = false")  # which is refused among the settings
    return connection


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def read_parquet(paths: Iterable[str], *options: str) -> str:
    """A call of DuckDB's read_parquet over files whose columns may differ. A name is taken as it is, not as a glob."""
    listed = ", ".join(literal(_no_glob(path)) for path in paths)
    settled = ", ".join(["union_by_name = true", "hive_partitioning = false", *options])
    return f"read_parquet([{listed}], {settled})"


def relation(snapshot: Snapshot, schema: pa.Schema) -> str:
    """A parenthesized query over a snapshot with the columns of `schema`; columns that its files lack are null."""
    if not snapshot.files:
        columns = ", ".join(f"{_null(field)}" for field in schema)
        return f"(SELECT {columns} WHERE false)"
    columns = ", ".join(identifier(f.name) if f.name in snapshot.schema.names else _null(f) for f in schema)
    return f"(SELECT {columns} FROM {read_parquet(str(path) for path in snapshot.files)})"  # noqa: S608 - all names are quoted


def _null(field: pa.Field) -> str:
    return f"CAST(NULL AS {_TYPES[field.type]}) AS {identifier(field.name)}"


def _no_glob(path: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)
