"""A topic's rows as one Parquet file, written as a stream."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from rapport.archive.layout import overlaps
from rapport.archive.schema import stored_schema
from rapport.archive.store import Archive, between
from rapport.errors import ArchiveError

__all__ = ["export"]


def export(
    archive: Archive,
    topic: str,
    to: Path,
    since_us: int | None = None,
    until_us: int | None = None,
    *,
    as_of: int | datetime | None = None,
) -> tuple[int, int]:
    """Write rows to a file, whole or not at all; returns the version that was read and the number of rows.

    Args:
        to: the file; one that is there is replaced.
        since_us, until_us: limits of event time, microseconds, UTC.
        as_of: as Archive.snapshot has it.

    Raises:
        ArchiveError: an unknown topic, a version that is not kept, or a file that cannot be written.
    """
    partial = to.with_name(f".{to.name}.{os.getpid()}.part")
    schema, rows = stored_schema(topic), 0
    try:
        with archive.snapshot(topic, as_of) as snapshot, pq.ParquetWriter(partial, schema, compression="zstd") as sink:
            paths = [str(path) for path in snapshot.files if overlaps(path, since_us, until_us)]
            files = ds.dataset(paths, schema=schema, format="parquet")
            for batch in files.to_batches(filter=between(since_us, until_us)):
                sink.write_batch(batch)
                rows += len(batch)
        partial.replace(to)
    except OSError as error:
        raise ArchiveError(f"cannot write {to}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return snapshot.version, rows
