"""One topic's table: a Delta table in a folder of the local file system.

Three locks per table, in `<archive>/.locks`, so that processes of one machine cannot hurt each other; whoever takes
several takes them in this order:
    <topic>.shape   held alone by whoever changes rows that are there, or joins files
    <topic>.write   held alone by whoever adds or removes rows: these come one by one
    <topic>.files   held together by readers while they read files, and alone by whoever removes files
Joining files needs no write lock: appends go on meanwhile, and Delta's own check lets both commits stand. Only what
erases waits for readers (a compaction that meets one leaves the old files to the next), and a reader never sees a file
vanish. A writer's position is stored in the same commit as its rows, as two of Delta's application transactions:
`<writer>:hi` and `<writer>:lo`; so is, as `removed:rows`, how many rows were ever taken out.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from rapport.archive.layout import MONTH, DataFile, data_files, has_months, with_month
from rapport.archive.locks import exclusive, exclusive_now, shared
from rapport.archive.versions import Version, daily, find, prune, readable
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError

__all__ = ["Snapshot", "TopicTable"]

_CONFIGURATION = {
    # Statistics in the log would hold least and greatest customer ids and texts: only times may stand there.
    "delta.dataSkippingStatsColumns": "event_time",
    "delta.checkpointInterval": "50",
    # What is kept of the log is for rapport.archive.versions to say.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_COMPACT_AT_FILES = 200
_TARGET_FILE_BYTES = 64 * 1024 * 1024
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)
_REMOVED = "removed:rows"
_EVERY_DAY = 36_500
"""An append does not know for how many days versions are to be kept; `rapport archive compact` does."""
_log = logging.getLogger(__name__)


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
        self._shape_lock = locks / f"{folder.name}.shape"
        self._write_lock = locks / f"{folder.name}.write"
        self._files_lock = locks / f"{folder.name}.files"

    def append(self, rows: pa.Table, writer: str, position: Position, after: Position | None = None) -> bool:
        """Append rows and move the writer's position, in one commit; False when it has moved that far already, or is
        not `after`. Joins small files when there are many."""
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
                with_month(rows) if has_months(table) else rows,
                mode="append",
                schema_mode="merge" if grown else None,
                writer_properties=_WRITER,
                commit_properties=moved,
            )
            many = _joinable(data_files(table, self.folder)) >= _COMPACT_AT_FILES
        if many:
            self._join()
        return True

    def position(self, writer: str) -> Position:
        """How far a writer has come; START when it has never appended."""
        if not self.folder.is_dir():
            return START
        with shared(self._files_lock), self._failures("read"):
            table = self._open()
            return _position(table, writer) if table else START

    @contextmanager
    def snapshot(self, as_of: int | datetime | None = None) -> Iterator[Snapshot]:
        """The table as it is now, or as it was; its files stay until the block ends, whatever other processes do."""
        if not self.folder.is_dir():
            yield Snapshot((), self.schema, -1)
            return
        with shared(self._files_lock):
            with self._failures("read"):
                version = None if as_of is None else find(self.folder, as_of).number
                table = self._open(version)
                files = tuple(file.path for file in data_files(table, self.folder)) if table else ()
                schema = _arrow(table) if table else self.schema
                number = int(table.version()) if table else -1
            yield Snapshot(files, schema, number)

    def versions(self) -> list[Version]:
        """The versions that `snapshot` can give, oldest first."""
        if not self.folder.is_dir():
            return []
        with shared(self._files_lock), self._failures("read"):
            return readable(self.folder)

    def files(self) -> list[DataFile]:
        """The files that count now."""
        with shared(self._files_lock), self._failures("read"):
            table = self._open()
            return data_files(table, self.folder) if table else []

    def removed(self) -> int:
        """How many rows were ever taken out: erased, aged out, or repeats."""
        with shared(self._files_lock), self._failures("read"):
            table = self._open()
            return _removed(table) if table else 0

    def drop_before(self, month: str) -> int:
        """Drop the months before one from the table; returns how many rows they had. Under `changing`."""
        with self._failures("delete from"):
            table = DeltaTable(str(self.folder))
            rows = sum(file.rows for file in data_files(table, self.folder) if file.month < month)
            if rows:
                table.delete(f"{MONTH} < '{month}'", commit_properties=_count_removed(table, rows))
            return rows

    def forget(self) -> None:
        """Remove every file that the present state does not use: replaced ones, those of crashed appends, and the log's
        entries, as they may name what was there. Waits for readers of the table. Under `changing`."""
        with exclusive(self._files_lock), self._failures("delete from"):
            table = self._open()
            if table is None:
                return
            table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
            table.create_checkpoint()
            for entry in (self.folder / "_delta_log").iterdir():
                version = entry.name.partition(".")[0]
                if version.isdigit() and int(version) < table.version():
                    entry.unlink()

    def replace(self, month: str, rows: pa.RecordBatchReader, removed: int) -> None:
        """Put rows in the place of those of a month (of all, in a table without months), in one commit; `removed` is
        how many fewer they are. Under `changing`."""
        with self._failures("change"):
            table = DeltaTable(str(self.folder))
            write_deltalake(
                table,
                rows,
                mode="overwrite",
                predicate=f"{MONTH} = '{month}'" if month else None,
                writer_properties=_WRITER,
                commit_properties=_count_removed(table, removed),
            )

    def migrate(self, rows: pa.RecordBatchReader) -> None:
        """Give a table without months its months, in one commit; `rows` are its rows with MONTH; under `changing`."""
        with self._failures("move"):
            write_deltalake(
                DeltaTable(str(self.folder)),
                rows,
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=[MONTH],
                writer_properties=_WRITER,
            )

    @contextmanager
    def changing(self) -> Iterator[bool]:
        """Nobody else changes the table while the block runs; the block gets whether the table has months."""
        with exclusive(self._shape_lock), exclusive(self._write_lock):
            with self._failures("read"):
                table = self._open()
                months = table is not None and has_months(table)
            yield months

    def compact(self, keep_days: int = 0) -> None:
        """Join small files, and remove what no kept version needs: those of the last hour, and of each of the last
        `keep_days` days the last one. Appends go on meanwhile."""
        if not self.folder.is_dir():
            return
        with exclusive(self._shape_lock):
            self._compact(keep_days)

    def _join(self) -> None:
        """Join small files unless somebody else is at it. The append before it stands, whatever becomes of this."""
        try:
            with exclusive_now(self._shape_lock) as alone:
                if alone:
                    self._compact(_EVERY_DAY)
        except ArchiveError as error:
            _log.warning("joining files was put off: %s", error)

    def _compact(self, keep_days: int) -> None:
        with self._failures("compact"):
            table = self._open()
            if table is None:
                return
            table.optimize.compact(target_size=_TARGET_FILE_BYTES, writer_properties=_WRITER)
            with exclusive(self._write_lock), exclusive_now(self._files_lock) as alone:
                if alone:
                    self._tidy(keep_days)

    def _tidy(self, keep_days: int) -> None:
        """Remove old versions, and the files that only they had."""
        table = DeltaTable(str(self.folder))
        if table.metadata().configuration != _CONFIGURATION:  # made by an older version
            table.alter.set_table_properties(_CONFIGURATION)
        table.create_checkpoint()
        kept = daily(self.folder, keep_days)
        prune(self.folder, kept)
        # Opened anew, since a table reads its log when it needs it.
        DeltaTable(str(self.folder)).vacuum(dry_run=False, full=True, keep_versions=sorted(kept) or None)

    def _open(self, version: int | None = None) -> DeltaTable | None:
        try:
            return DeltaTable(str(self.folder), version=version)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        self.folder.mkdir(parents=True, exist_ok=True)
        schema = self.schema.append(pa.field(MONTH, pa.string()))
        return DeltaTable.create(str(self.folder), schema, partition_by=[MONTH], configuration=_CONFIGURATION)

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


def _removed(table: DeltaTable) -> int:
    return int(table.transaction_version(_REMOVED) or 0)


def _count_removed(table: DeltaTable, rows: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(_REMOVED, _removed(table) + rows, None)])


def _joinable(files: list[DataFile]) -> int:
    """How many files a compaction would do away with: small ones, beyond one a month."""
    small = Counter(file.month for file in files if file.size_bytes < _TARGET_FILE_BYTES // 4)
    return sum(count - 1 for count in small.values())


def _arrow(table: DeltaTable) -> pa.Schema:
    """The columns of the rows."""
    return pa.schema([field for field in pa.schema(table.schema().to_arrow()) if field.name != MONTH])
