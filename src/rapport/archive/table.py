"""One topic's table: a Delta table in a folder of the local file system.

Two locks per table, in `<archive>/.locks`, so that processes of one machine cannot hurt each other:
    <topic>.write   held alone by whoever changes the table: appends, deletions and compactions come one by one
    <topic>.files   held together by readers while they read files, and alone by whoever removes files
Only a deletion waits for readers (a compaction that meets one leaves the old files to the next), and a reader never
sees a file vanish. A writer's position is stored in the same commit as its rows, as two of Delta's application
transactions: `<writer>:hi` and `<writer>:lo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from rapport.archive.locks import exclusive, exclusive_now, shared
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError

__all__ = ["Snapshot", "TopicTable"]

_CONFIGURATION = {
    # Statistics in the log would hold least and greatest customer ids and texts: only times may stand there.
    "delta.dataSkippingStatsColumns": "event_time",
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 10 minutes",
    "delta.deletedFileRetentionDuration": "interval 10 minutes",
}
_COMPACT_AT_FILES = 200
_TARGET_FILE_BYTES = 64 * 1024 * 1024
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent state of a table: its Parquet files (none when it is empty), its schema, its version."""

    files: tuple[Path, ...]
    schema: pa.Schema
    version: int


class TopicTable:
    """The table of one topic. Holds no open state: any number of processes may have one on the same folder.

    Args:
        folder: where the table is, or will be made by the first append.
        locks: the folder of the lock files.
        schema: the columns of the table; columns that an older table lacks are added by the next append.
    """

    def __init__(self, folder: Path, locks: Path, schema: pa.Schema) -> None:
        self.folder = folder
        self.schema = schema
        self._write_lock = locks / f"{folder.name}.write"
        self._files_lock = locks / f"{folder.name}.files"

    def append(self, rows: pa.Table, writer: str, position: Position, after: Position | None = None) -> bool:
        """Append rows and move the writer's position, in one commit; False when it has moved that far already, or is
        not `after`."""
        with exclusive(self._write_lock), self._failures("append to"):
            table = self._open() or self._create()
            stored = _position(table, writer)
            if position <= stored or after not in (None, stored):
                return False
            moved = CommitProperties(
                app_transactions=[
                    Transaction(f"{writer}:hi", position.hi, None),
                    Transaction(f"{writer}:lo", position.lo, None),
                ]
            )
            grown = set(rows.column_names) - set(_arrow(table).names)
            write_deltalake(
                table,
                rows,
                mode="append",
                schema_mode="merge" if grown else None,
                writer_properties=_WRITER,
                commit_properties=moved,
            )
            if len(table.file_uris()) >= _COMPACT_AT_FILES:
                self._compact(table)
            return True

    def position(self, writer: str) -> Position:
        """How far a writer has come; START when it has never appended."""
        if not self.folder.is_dir():
            return START
        with shared(self._files_lock), self._failures("read"):
            table = self._open()
            return _position(table, writer) if table else START

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The table as it is now; its files stay until the block ends, whatever other processes do."""
        if not self.folder.is_dir():
            yield Snapshot((), self.schema, -1)
            return
        with shared(self._files_lock):
            with self._failures("read"):
                table = self._open()
                files = tuple(sorted(self._path(uri) for uri in table.file_uris())) if table else ()
                schema = _arrow(table) if table else self.schema
                version = int(table.version()) if table else -1
            yield Snapshot(files, schema, version)

    def delete(self, column: str, value: str) -> int:
        """Remove the rows whose `column` is `value`, from the files too; returns how many there were.

        Waits for readers of the table. An interrupted call is finished by calling again.
        """
        quoted = value.replace("'", "''")
        with exclusive(self._write_lock), self._failures("delete from"):
            table = self._open()
            if table is None:
                return 0
            metrics = table.delete(f"{column} = '{quoted}'", writer_properties=_WRITER)
            with exclusive(self._files_lock):
                self._forget(table)
            return int(metrics["num_deleted_rows"])

    def compact(self) -> None:
        """Join small files, and remove the files and log entries of former states older than 10 minutes."""
        with exclusive(self._write_lock), self._failures("compact"):
            table = self._open()
            if table is not None:
                self._compact(table)

    def _compact(self, table: DeltaTable) -> None:
        table.optimize.compact(target_size=_TARGET_FILE_BYTES, writer_properties=_WRITER)
        with exclusive_now(self._files_lock) as alone:
            if alone:
                table.vacuum(dry_run=False)

    def _forget(self, table: DeltaTable) -> None:
        """Remove every file that the present state does not use: replaced ones, those of crashed appends, and the
        log's entries, as they name the deleted value."""
        table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
        table.create_checkpoint()
        for entry in (self.folder / "_delta_log").iterdir():
            version = entry.name.partition(".")[0]
            if version.isdigit() and int(version) < table.version():
                entry.unlink()

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(str(self.folder))
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        self.folder.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(str(self.folder), self.schema, configuration=_CONFIGURATION)

    def _path(self, uri: str) -> Path:
        # The table has no partitions, so a file's name is its path; the URI's folder is percent-encoded.
        return self.folder / uri.rpartition("/")[2]

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise ArchiveError(
                f"cannot {doing} {self.folder}: another machine has changed the table ({error}); try again"
            ) from error
        except (DeltaError, OSError) as error:
            raise ArchiveError(
                f"cannot {doing} the archive's table {self.folder}: {error}; check the disk's space and rights, and "
                "that _delta_log was not edited"
            ) from error


def _position(table: DeltaTable, writer: str) -> Position:
    high = table.transaction_version(f"{writer}:hi")
    low = table.transaction_version(f"{writer}:lo")
    return START if high is None or low is None else Position(high, low)


def _arrow(table: DeltaTable) -> pa.Schema:
    return pa.schema(table.schema().to_arrow())
