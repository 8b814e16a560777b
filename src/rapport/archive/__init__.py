"""The event archive: every checked event and every decision, for history, training and deletion."""

from rapport.archive.schema import (
    DECISIONS,
    SOURCE,
    TIMESTAMP,
    TOPICS,
    arrow_schema,
    from_block,
    from_rows,
    stored_name,
    stored_schema,
    with_source,
)
from rapport.archive.store import Archive, archive_writer
from rapport.archive.table import Snapshot

__all__ = [
    "DECISIONS",
    "SOURCE",
    "TIMESTAMP",
    "TOPICS",
    "Archive",
    "Snapshot",
    "archive_writer",
    "arrow_schema",
    "from_block",
    "from_rows",
    "stored_name",
    "stored_schema",
    "with_source",
]
