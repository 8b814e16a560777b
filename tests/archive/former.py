"""A table as it was made before there were months: all files in one folder, and a log that Delta itself cleans."""

from __future__ import annotations

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from rapport.archive import Archive, stored_schema
from rapport.archive.schema import conform
from rapport.bus.protocol import Position

_CONFIGURATION = {
    "delta.dataSkippingStatsColumns": "event_time",
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 10 minutes",
    "delta.deletedFileRetentionDuration": "interval 10 minutes",
}


class FormerTable:
    """Makes the table of a topic, and appends to it."""

    def __init__(self, archive: Archive, topic: str) -> None:
        self._topic = topic
        folder = archive.folder / topic
        folder.mkdir(parents=True)
        self._table = DeltaTable.create(str(folder), stored_schema(topic), configuration=_CONFIGURATION)

    def append(self, rows: pa.Table, writer: str, position: Position) -> None:
        moved = [Transaction(f"{writer}:hi", position.hi, None), Transaction(f"{writer}:lo", position.lo, None)]
        write_deltalake(
            self._table,
            conform(self._topic, rows),
            mode="append",
            commit_properties=CommitProperties(app_transactions=moved),
        )
