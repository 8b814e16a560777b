"""Whether a topic's table is what it should be: counted by DuckDB over the Parquet files, changing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.archive.layout import DataFile
from rapport.archive.repeats import id_of, same_event
from rapport.archive.rewriting import sorting
from rapport.archive.schema import SOURCE, stored_schema
from rapport.archive.sql import identifier, read_parquet, relation
from rapport.archive.store import Archive, archive_writer
from rapport.archive.table import Snapshot

__all__ = ["Verdict", "verify"]

_PARTITION, _HI, _LO = SOURCE


@dataclass(slots=True)
class Verdict:
    """What was found in one topic.

    Attributes:
        rows, files: that count.
        removed: rows that were ever taken out (erased, aged out, repeats).
        repeats: rows that repeat an earlier event of their id (`rapport archive dedupe` takes them out).
        conflicts: rows that have another event's id and differ from it.
        missing: rows that the source had and the archive has not, as far as their numbers tell.
        nulls: share of rows without a value, by column; only those that have some.
        problems: what should not be, in words; none: the table is sound.
    """

    topic: str
    rows: int = 0
    files: int = 0
    removed: int = 0
    repeats: int = 0
    conflicts: int = 0
    missing: int = 0
    nulls: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(archive: Archive, topic: str) -> Verdict:
    """Check a topic: its files, columns and nulls, events that are there twice, places on the bus that are missing.

    A sound table has no problems; repeats and conflicts are the producers' doing, and are only counted.

    Raises:
        ArchiveError: an unknown topic, or a table whose log cannot be read.
    """
    found = Verdict(topic)
    table = archive.table(topic)
    if not table.folder.is_dir():
        return found
    files, found.removed = table.files(), table.removed()
    found.files = len(files)
    found.problems += _damaged(files, stored_schema(topic))
    if found.problems or not files:
        return found
    with archive.snapshot(topic) as snapshot, sorting() as connection:
        source = relation(snapshot, stored_schema(topic))
        _nulls(connection, source, topic, found)
        _twice(connection, source, topic, found)
        _months(connection, snapshot, found)
        if _HI in stored_schema(topic).names:
            _places(connection, source, archive, found)
    return found


def _damaged(files: Sequence[DataFile], schema: pa.Schema) -> list[str]:
    """What is wrong with the files, by their sizes and footers."""
    problems = []
    for file in files:
        name = f"{file.path.parent.name}/{file.path.name}"
        if not file.path.is_file():
            problems.append(f"{name} is gone")
            continue
        if file.path.stat().st_size != file.size_bytes:
            problems.append(f"{name} has {file.path.stat().st_size:,} bytes, not {file.size_bytes:,}")
            continue
        try:
            stored = pq.read_schema(file.path)
        except (OSError, pa.ArrowException) as error:
            problems.append(f"{name} cannot be read: {error}")
            continue
        problems += [f"{name}: {text}" for text in _drift(stored, schema)]
    return problems


def _drift(stored: pa.Schema, schema: pa.Schema) -> list[str]:
    """How a file's columns differ from the topic's; columns that it lacks were declared later."""
    unknown = [name for name in stored.names if name not in schema.names]
    changed = [
        f"column {f.name!r} is {f.type}, not {schema.field(f.name).type}"
        for f in stored
        if f.name in schema.names and _plain(f.type) != schema.field(f.name).type
    ]
    return changed + [f"column {name!r} is not the topic's" for name in unknown]


def _plain(kind: pa.DataType) -> pa.DataType:
    """Whoever wrote a file may have noted another of Arrow's forms of text."""
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _nulls(connection: duckdb.DuckDBPyConnection, source: str, topic: str, found: Verdict) -> None:
    schema = stored_schema(topic)
    counts = ", ".join(f"count({identifier(name)})" for name in schema.names)
    rows, *known = _row(connection, f"SELECT count(*), {counts} FROM {source}")  # noqa: S608 - names are quoted
    found.rows = rows
    for given, column in zip(known, schema, strict=True):
        if given < rows:
            found.nulls[column.name] = (rows - given) / rows
            if not column.nullable:
                found.problems.append(f"{rows - given:,} rows have no {column.name}")


def _twice(connection: duckdb.DuckDBPyConnection, source: str, topic: str, found: Verdict) -> None:
    key = identifier(id_of(topic))
    rows, kinds, ids = _row(
        connection,
        f"WITH ids AS (SELECT {key} FROM {source} GROUP BY ALL HAVING count(*) > 1), "  # noqa: S608 - names are quoted
        f"groups AS (SELECT {key}, count(*) AS n, count(DISTINCT {same_event(topic)}) AS d FROM {source} "
        f"SEMI JOIN ids USING ({key}) GROUP BY {key}) "
        "SELECT coalesce(sum(n), 0), coalesce(sum(d), 0), count(*) FROM groups",
    )
    found.repeats, found.conflicts = rows - kinds, kinds - ids


def _months(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, found: Verdict) -> None:
    source = read_parquet((str(path) for path in snapshot.files), "filename = true")
    (wrong,) = _row(
        connection,
        "SELECT count(*) FROM (SELECT regexp_extract(filename, '/month=([0-9-]+)/[^/]*$', 1) AS month, "  # noqa: S608
        f"strftime(make_timestamp(epoch_us(event_time)), '%Y-%m') AS own FROM {source}) "
        "WHERE month <> '' AND month <> own",
    )
    if wrong:
        found.problems.append(f"{wrong:,} rows are in another month's folder")


def _places(connection: duckdb.DuckDBPyConnection, source: str, archive: Archive, found: Verdict) -> None:
    """Rows of a block are numbered from 1: what is missing of them was removed, or lost."""
    connection.execute(
        f"CREATE TEMP TABLE blocks AS SELECT {_PARTITION} AS part, {_HI} AS hi, count(*) AS n, "  # noqa: S608
        f"count(DISTINCT {_LO}) AS places, max({_LO}) AS last FROM {source} WHERE {_PARTITION} IS NOT NULL GROUP BY ALL"
    )
    twice, missing = _row(
        connection, "SELECT coalesce(sum(n - places), 0), coalesce(sum(greatest(last - places, 0)), 0) FROM blocks"
    )
    found.missing = missing
    if twice:
        found.problems.append(f"{twice:,} rows have another row's place on the bus: they were archived twice")
    if missing > found.removed:
        found.problems.append(f"{missing:,} rows are missing between others; only {found.removed:,} were removed")
    for part, hi, last in connection.sql("SELECT part, max(hi), max_by(last, hi) FROM blocks GROUP BY part").fetchall():
        reached = archive.position(found.topic, archive_writer(part))
        if (hi, last) > reached:
            found.problems.append(f"partition {part} has rows up to {hi}-{last}, but its position is {tuple(reached)}")


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    return tuple(int(value) for value in connection.sql(query).fetchall()[0])
