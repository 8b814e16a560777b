"""The event archive: one table per topic, appended exactly once, read consistently, deletable by customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rapport.archive.files import delete_rows
from rapport.archive.locks import exclusive
from rapport.archive.schema import SOURCE, TIMESTAMP, TOPICS, arrow_schema, conform, stored_schema
from rapport.archive.sql import relation
from rapport.archive.table import Snapshot, TopicTable
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError

__all__ = ["Archive"]

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
        return self._table(topic).append(conform(topic, table), writer, position, after)

    def position(self, topic: str, writer: str) -> Position:
        """How far a writer has appended; START when it never has."""
        return self._table(topic).position(writer)

    def topics(self) -> list[str]:
        """The topics that have events."""
        return [topic for topic in TOPICS if (self.folder / topic / "_delta_log").is_dir()]

    @contextmanager
    def snapshot(self, topic: str) -> Iterator[Snapshot]:
        """The topic as it is now, for reading its Parquet files by other means: they stay until the block ends."""
        with self._table(topic).snapshot() as snapshot:
            yield snapshot

    def scan(
        self, topic: str, columns: Sequence[str] | None = None, since_us: int | None = None, until_us: int | None = None
    ) -> pa.Table:
        """The topic's rows with since_us <= event_time < until_us (microseconds, UTC), in no certain order.

        A topic without events gives no rows. The whole result is held in memory; `snapshot` and `sql_source` stream.

        Raises:
            ArchiveError: an unknown topic or column.
        """
        wanted = list(columns) if columns is not None else arrow_schema(topic).names
        schema = stored_schema(topic)
        unknown = [name for name in wanted if name not in schema.names]
        if unknown:
            raise ArchiveError(f"topic {topic!r} has no columns {unknown}; it has {', '.join(schema.names)}")
        import pyarrow.dataset as ds  # imports pandas, which a writer has no use for

        with self.snapshot(topic) as snapshot:
            files = ds.dataset([str(path) for path in snapshot.files], schema=schema, format="parquet")
            return files.to_table(columns=wanted, filter=_between(since_us, until_us))

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
        """Remove a customer's rows from every topic and every pushed file, so that no file holds them any more;
        returns how many rows there were. Waits for readers; calling again finishes what was interrupted."""
        removed = sum(self._table(topic).delete("customer_id", customer_id) for topic in self.topics())
        for path in sorted(self.folder.glob("*.parquet")):
            with exclusive(self.locks / f"{path.name}.write"):
                removed += delete_rows(path, "customer_id", customer_id)
        return removed

    def compact(self, topic: str) -> None:
        """Join the topic's small files, and drop what was replaced more than 10 minutes ago. Appends do it by
        themselves every 200 files."""
        self._table(topic).compact()

    @property
    def locks(self) -> Path:
        """The folder of the lock files."""
        return self.folder / ".locks"

    def _table(self, topic: str) -> TopicTable:
        return TopicTable(self.folder / topic, self.locks, stored_schema(topic))


def _between(since_us: int | None, until_us: int | None) -> pc.Expression | None:
    time = pc.field("event_time")
    since = None if since_us is None else time >= pa.scalar(since_us, TIMESTAMP)
    until = None if until_us is None else time < pa.scalar(until_us, TIMESTAMP)
    if since is None or until is None:
        return until if since is None else since
    return since & until
