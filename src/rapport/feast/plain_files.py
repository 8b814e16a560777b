"""Plain views over Parquet files: what Feast's DuckDB store reads and writes, made robust.

A view that is pushed has no file until the first push: it reads as empty. Paths are those of event_files, not relative
to the current folder, and a push replaces the file whole, so that a reader or a crash never sees a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView, FileSource
from feast.data_format import DeltaFormat
from feast.infra.offline_stores.duckdb import _read_data_source
from feast.repo_config import RepoConfig
from feast.type_map import feast_value_type_to_pa

from rapport.archive import TIMESTAMP
from rapport.archive.files import append_rows, replace
from rapport.archive.locks import exclusive
from rapport.errors import ArchiveError
from rapport.feast.event_files import path_of

__all__ = ["Reader", "append_to", "make_missing", "reader", "schema_of_view"]

Reader: TypeAlias = Callable[[Any, str], ibis.Table]
"""What Feast's Ibis functions call: (source, repository path) to a table."""


def schema_of_view(view: FeatureView) -> pa.Schema:
    """The columns that a plain view's file has: entity keys, features, times."""
    source = view.batch_source
    fields = [(field.name, feast_value_type_to_pa(field.dtype.to_value_type())) for field in _fields(view)]
    times = [source.timestamp_field, source.created_timestamp_column]
    return pa.schema([*fields, *((name, TIMESTAMP) for name in times if name)])


def reader(config: RepoConfig, empty: Callable[[FileSource], pa.Schema]) -> Reader:
    """A reader of plain sources; `empty` gives the columns of one whose file is not there yet."""

    def read(source: Any, _: str) -> ibis.Table:
        if not isinstance(source, FileSource) or isinstance(source.file_format, DeltaFormat):
            return _read_data_source(source, str(config.repo_path))
        path = path_of(config, source)
        return ibis.memtable(pq.read_table(path) if path.exists() else empty(source).empty_table())

    return read


def make_missing(config: RepoConfig, source: FileSource) -> None:
    """Make the empty file of a plain view whose source has none yet, with the columns that the registry declares."""
    path = path_of(config, source)
    if path.exists():
        return
    views = FeatureStore(config=config).list_feature_views()
    view = next((view for view in views if view.batch_source and view.batch_source.name == source.name), None)
    if view is None:
        raise ArchiveError(f"no feature view reads {source.name!r}, and {path} does not exist: run `feast apply`")
    with exclusive(_lock(path)):
        if not path.exists():
            replace(path, schema_of_view(view).empty_table())


def append_to(config: RepoConfig, view: FeatureView, rows: pa.Table) -> None:
    """Append rows to a plain view's file, with the file's column types.

    Raises:
        ArchiveError: the rows lack a column or hold a value that its column does not take.
    """
    path = path_of(config, view.batch_source)
    with exclusive(_lock(path)):
        schema = pq.read_schema(path) if path.is_file() else schema_of_view(view)
        append_rows(path, _conform(view, rows, schema))


def _conform(view: FeatureView, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    if set(rows.column_names) != set(schema.names):
        raise ArchiveError(
            f"rows for {view.name!r} have the columns {', '.join(rows.column_names)}; "
            f"its file has {', '.join(schema.names)}"
        )
    return pa.table([_cast(view, rows.column(field.name), field) for field in schema], schema=schema)


def _cast(view: FeatureView, column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ArchiveError(
            f"view {view.name!r}, column {field.name!r}: {column.type} is not {field.type}: {error}"
        ) from error


def _fields(view: FeatureView) -> Sequence[Any]:
    fields: Iterable[Any] = [*view.entity_columns, *view.features]
    return list(fields)


def _lock(path: Path) -> Path:
    return path.parent / ".locks" / f"{path.name}.write"
