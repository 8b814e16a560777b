"""A topic's archive in chunks of whole customers: DuckDB scans, sorts by customer and spills; no Python per event."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rapport.archive import SOURCE, Snapshot, stored_schema
from rapport.archive.sql import connect, identifier, relation
from rapport.errors import ArchiveError
from rapport.events.arrow import to_column
from rapport.windows import Events, Kind

__all__ = ["Chunk", "TopicReader"]

_BATCH_EVENTS = 100_000
_PARTITION, _HI, _LO = SOURCE
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The archived events of k customers.

    Attributes:
        ids: k customer ids.
        row: int64[n], the customer of each event.
        table: n events as Arrow has them: `time` (int64, microseconds UTC), SOURCE, and the columns of `kinds`.
    """

    ids: list[str]
    row: npt.NDArray[np.int64]
    table: pa.Table
    kinds: Mapping[str, Kind]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def partition(self) -> npt.NDArray[np.int64]:
        """int64[n]; -1: not known."""
        return _numbers(self.table, _PARTITION, -1)

    @property
    def positions(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """uint64[n] twice: hi and lo; 0 where they are not known."""
        return tuple(_numbers(self.table, name, 0).astype(np.uint64) for name in (_HI, _LO))  # type: ignore[return-value]

    def of_rows(self, rows: Sequence[int]) -> Chunk:
        """Some of the customers (`rows` ascends), with their events."""
        kept = np.isin(self.row, rows)
        number = np.searchsorted(np.asarray(rows, np.int64), self.row[kept])
        return Chunk([self.ids[at] for at in rows], number, self.table.filter(pa.array(kept)), self.kinds)

    def events(self, columns: Sequence[str], wanted: Mask) -> Events:
        """The events where `wanted` (bool[n]) holds, with some columns."""
        table = self.table.filter(pa.array(wanted))
        made = {name: to_column(self.kinds[name], _joined(table, name)) for name in columns}
        return Events(_numbers(table, "time", 0), made)


class TopicReader:
    """Reads one snapshot of one topic.

    Args:
        snapshot: whose files stay while this is used.
        kinds: the columns that are wanted.
        memory: DuckDB's limit, beyond which it sorts on disk.
    """

    def __init__(self, topic: str, snapshot: Snapshot, kinds: Mapping[str, Kind], memory: str = "1GB") -> None:
        self._topic = topic
        self._kinds = kinds
        self._source = relation(snapshot, stored_schema(topic))
        self._memory = memory

    def count(self) -> tuple[int, int]:
        """Events and customers; the customers by estimate, within some per cent."""
        query = f"SELECT count(*), approx_count_distinct(customer_id) FROM {self._source}"  # noqa: S608 - see relation
        with self._connected() as connection:
            ((events, customers),) = connection.sql(query).fetchall()
        return int(events), int(customers)

    def all(self, chunk_events: int) -> Iterator[Chunk]:
        """All customers with their events; a chunk has up to `chunk_events`, but at least one customer's."""
        held: list[pa.RecordBatch] = []
        count = 0
        with self._connected() as connection:
            query = f"SELECT e.customer_id, {self._columns()} FROM {self._source} e ORDER BY e.customer_id"  # noqa: S608
            for batch in self._batches(connection, query, min(_BATCH_EVENTS, chunk_events)):
                held.append(batch)
                count += len(batch)
                if count > chunk_events:
                    table = pa.Table.from_batches(held)
                    last = int(_run_starts(table)[-1])
                    if last:
                        yield self._grouped(table.slice(0, last))
                        held = table.slice(last).to_batches()
                        count -= last
        if held:
            yield self._grouped(pa.Table.from_batches(held))

    def of(self, ids: Sequence[str]) -> Chunk:
        """The events of some customers, who may have none."""
        wanted = pa.table({"key": pa.array(ids, pa.string()), "row": pa.array(np.arange(len(ids)))})
        with self._connected() as connection:
            connection.register("wanted", wanted)
            query = f"SELECT w.row, {self._columns()} FROM {self._source} e JOIN wanted w ON e.customer_id = w.key"  # noqa: S608
            try:
                table = connection.sql(query).to_arrow_table()
            except duckdb.Error as error:
                raise self._unreadable(error) from error
        return Chunk(list(ids), _numbers(table, "row", 0), table, self._kinds)

    def _columns(self) -> str:
        names = ["epoch_us(e.event_time) AS time", *(f"e.{name}" for name in SOURCE)]
        return ", ".join([*names, *(f"e.{identifier(name)}" for name in self._kinds)])

    def _batches(self, connection: duckdb.DuckDBPyConnection, query: str, size: int) -> Iterator[pa.RecordBatch]:
        try:
            for batch in connection.sql(query).to_arrow_reader(_BATCH_EVENTS):
                yield from (batch.slice(at, size) for at in range(0, len(batch), size))
        except (duckdb.Error, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _grouped(self, table: pa.Table) -> Chunk:
        starts = _run_starts(table)
        row = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(table))))
        return Chunk(table["customer_id"].take(pa.array(starts)).to_pylist(), row, table, self._kinds)

    def _connected(self) -> duckdb.DuckDBPyConnection:
        spill = Path(tempfile.gettempdir()) / "rapport-duckdb"
        return connect(temp_directory=str(spill), memory_limit=self._memory, preserve_insertion_order="false")

    def _unreadable(self, error: Exception) -> ArchiveError:
        return ArchiveError(f"the archive of {self._topic} cannot be read: {error}")


def _run_starts(table: pa.Table) -> npt.NDArray[np.int64]:
    """Where each customer's events begin in a table sorted by customer."""
    ids = _joined(table, "customer_id")
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)


def _numbers(table: pa.Table, name: str, null: int) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(_joined(table, name).fill_null(null).to_numpy(), np.int64)


def _joined(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    if pa.types.is_string(column.type):  # whose offsets are 32 bits: a chunk may hold more
        column = column.cast(pa.large_string())
    return column.combine_chunks()
