"""The event archive: one table per topic, appended exactly once, read consistently, deletable by customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rapport.archive.files import delete_rows
from rapport.archive.layout import overlaps
from rapport.archive.locks import exclusive
from rapport.archive.rewriting import remove_rows
from rapport.archive.schema import SOURCE, TIMESTAMP, TOPICS, arrow_schema, conform, stored_schema
from rapport.archive.sql import literal, relation
from rapport.archive.table import Snapshot, TopicTable
from rapport.archive.versions import Version
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError

__all__ = ["Archive", "archive_writer", "between"]

_UNUSABLE = "[]\\^|"
"""Characters that deltalake cannot have in a path (it panics or writes elsewhere)."""


class Archive:
    """The archive in a folder; nothing is made before the first append. Safe for any number of processes.

    Args:
        folder: the archive's root, `settings.data_dir / "archive"`.

    Raises:
        ArchiveError: the path holds a character that a table cannot have in its path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        if unusable := [char for char in _UNUSABLE if char in str(self.folder)]:
            raise ArchiveError(
                f"the archive cannot be in {self.folder}: a table's path may not hold {' '.join(unusable)}; "
                "set RAPPORT_DATA_DIR to another folder"
            )

    def append(
        self, topic: str, table: pa.Table, *, writer: str, position: Position, after: Position | None = None
    ) -> bool:
        """Append rows exactly once: they and the writer's position become visible together, or not at all.

        Args:
            topic: one of rapport.archive.TOPICS.
            table: rows with the columns of arrow_schema(topic), in any order, and SOURCE if it is known (with_source).
                No rows: only the position moves.
            writer: who appends; each has its own position (one per partition of the topic).
            position: the place in the writer's source that these rows reach.
            after: where the writer must be for the rows to be appended: two processes that write as one writer, in
                batches of their own, cannot both append. None: anywhere before `position`.

        Returns:
            False when the writer's position is already there or further, or is not `after`: nothing was appended.

        Raises:
            ArchiveError: an unknown topic, rows that do not have its columns, a position at or before START, or a disk
                that refuses.
        """
        if position <= START or min(position) < 0:
            raise ArchiveError(f"{position} is not the position of a record; positions of records come after {START}")
        return self.table(topic).append(conform(topic, table), writer, position, after)

    def position(self, topic: str, writer: str) -> Position:
        """How far a writer has appended; START when it never has."""
        return self.table(topic).position(writer)

    def topics(self) -> list[str]:
        """The topics that have events."""
        return [topic for topic in TOPICS if (self.folder / topic / "_delta_log").is_dir()]

    @contextmanager
    def snapshot(self, topic: str, as_of: int | datetime | None = None) -> Iterator[Snapshot]:
        """The topic as it is, for reading its Parquet files by other means: they stay until the block ends.

        Args:
            as_of: a version's number, or a time (aware): the last version that was made by then. None: now.

        Raises:
            ArchiveError: an unknown topic, or a version that is not kept.
        """
        with self.table(topic).snapshot(as_of) as snapshot:
            yield snapshot

    def versions(self, topic: str) -> list[Version]:
        """The versions of a topic that can be read, oldest first."""
        return self.table(topic).versions()

    def scan(
        self,
        topic: str,
        columns: Sequence[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        *,
        as_of: int | datetime | None = None,
    ) -> pa.Table:
        """The topic's rows with since_us <= event_time < until_us (microseconds, UTC), in no certain order.

        A topic without events gives no rows. The whole result is held in memory; `snapshot` and `sql_source` stream.

        Args:
            columns: None: those of arrow_schema(topic).
            as_of: as `snapshot` has it.

        Raises:
            ArchiveError: an unknown topic or column, or a version that is not kept.
        """
        wanted = list(columns) if columns is not None else arrow_schema(topic).names
        schema = stored_schema(topic)
        unknown = [name for name in wanted if name not in schema.names]
        if unknown:
            raise ArchiveError(f"topic {topic!r} has no columns {unknown}; it has {', '.join(schema.names)}")
        import pyarrow.dataset as ds  # imports pandas, which a writer has no use for

        with self.snapshot(topic, as_of) as snapshot:
            paths = [str(path) for path in snapshot.files if overlaps(path, since_us, until_us)]
            files = ds.dataset(paths, schema=schema, format="parquet")
            return files.to_table(columns=wanted, filter=between(since_us, until_us))

    def sql_source(self, topic: str) -> str:
        """Text for DuckDB's FROM that reads the topic as it is now, with the columns of arrow_schema(topic).

        Use it soon: its files go when a customer is deleted. Inside `snapshot` they cannot.
        """
        with self.snapshot(topic) as snapshot:
            return relation(snapshot, arrow_schema(topic))

    def has_events(self, topic: str, partition: int, until: Position) -> bool:
        """Whether a topic has events of a partition of the bus up to a position, or ones of which that is not known.

        Raises:
            ArchiveError: an unknown topic.
        """
        import pyarrow.dataset as ds  # imports pandas, which a writer has no use for

        which, hi, lo = (pc.field(name) for name in SOURCE)
        early = (hi < until.hi) | ((hi == until.hi) & (lo <= until.lo))
        with self.snapshot(topic) as snapshot:
            if not snapshot.files:
                return False
            files = ds.dataset([str(path) for path in snapshot.files], schema=stored_schema(topic), format="parquet")
            return bool(files.head(1, columns=[], filter=which.is_null() | ((which == partition) & early)).num_rows)

    def delete_customer(self, customer_id: str) -> int:
        """Remove a customer's rows from every topic and every pushed file, so that no file and no version holds them;
        returns how many rows there were. Waits for readers; calling again finishes what was interrupted."""
        removed = sum(self._delete(topic, customer_id) for topic in self.topics())
        for path in sorted(self.folder.glob("*.parquet")):
            with exclusive(self.locks / f"{path.name}.write"):
                removed += delete_rows(path, "customer_id", customer_id)
        return removed

    def _delete(self, topic: str, customer_id: str) -> int:
        table = self.table(topic)
        with table.changing():
            removed = remove_rows(table, f"customer_id = {literal(customer_id)}")
            table.forget()
            return removed

    def compact(self, topic: str, *, keep_days: int = 0) -> None:
        """Join the topic's small files, and drop what only versions had that are older than an hour and are not, of one
        of the last `keep_days` days, the last. Appends join files by themselves, 200 at a time."""
        self.table(topic).compact(keep_days)

    @property
    def locks(self) -> Path:
        """The folder of the lock files."""
        return self.folder / ".locks"

    def table(self, topic: str) -> TopicTable:
        """The topic's table, for what changes it as a whole.

        Raises:
            ArchiveError: an unknown topic.
        """
        return TopicTable(self.folder / topic, self.locks, stored_schema(topic))


def archive_writer(partition: int) -> str:
    """The name under which a topic's table keeps the position of a partition of the bus."""
    return f"bus-{partition}"


def between(since_us: int | None, until_us: int | None) -> pc.Expression | None:
    """The condition that an event time is within limits; None without limits."""
    time = pc.field("event_time")
    since = None if since_us is None else time >= pa.scalar(since_us, TIMESTAMP)
    until = None if until_us is None else time < pa.scalar(until_us, TIMESTAMP)
    if since is None or until is None:
        return until if since is None else since
    return since & until
