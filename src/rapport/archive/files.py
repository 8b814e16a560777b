"""Plain Parquet files in the archive's folder: the history of pushed views. Replaced whole, by renaming."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["append_rows", "delete_rows", "replace"]


def append_rows(path: Path, rows: pa.Table) -> None:
    """Add rows at the end of a file; makes the file when there is none. The caller holds the file's lock."""
    if path.is_file():
        rows = pa.concat_tables([pq.read_table(path), rows])
    replace(path, rows)


def delete_rows(path: Path, column: str, value: str) -> int:
    """Rewrite a file without the rows whose `column` is `value`; returns how many there were. The caller holds the
    file's lock."""
    if column not in pq.read_schema(path).names:
        return 0
    table = pq.read_table(path)
    kept = table.filter(pc.fill_null(pc.not_equal(table[column], value), True))
    if len(kept) < len(table):
        replace(path, kept)
    return len(table) - len(kept)


def replace(path: Path, table: pa.Table) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            pq.write_table(table, sink)
            sink.flush()
            os.fsync(sink.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
