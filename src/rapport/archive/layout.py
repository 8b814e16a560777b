"""How a table lies on disk: a folder per month of event time, and which Parquet files count.

`month` (`2025-03`, UTC) is the table's partition column: it is in the folders' names and the log, in no file, and in no
schema of a topic. A table that was made before there were months has its files in one folder; it is read and written as
it is until `migrate` moves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from rapport.clock import from_us

__all__ = ["MONTH", "DataFile", "data_files", "has_months", "month_of", "overlaps", "with_month"]

MONTH = "month"
"""The partition column."""
_FORMAT = "%Y-%m"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file that counts.

    Attributes:
        month: of its rows' event time; "" in a table without months.
        size_bytes, rows: as the log has them.
    """

    path: Path
    month: str
    size_bytes: int
    rows: int


def has_months(table: DeltaTable) -> bool:
    """Whether the table has a folder per month."""
    return bool(table.metadata().partition_columns)


def month_of(time_us: int) -> str:
    """The month of a time (microseconds, UTC)."""
    return from_us(time_us).strftime(_FORMAT)


def with_month(rows: pa.Table) -> pa.Table:
    """The rows with the partition column."""
    return rows.append_column(pa.field(MONTH, pa.string()), pc.strftime(rows["event_time"], format=_FORMAT))


def data_files(table: DeltaTable, folder: Path) -> list[DataFile]:
    """The files of the table's version, by path. The table's own URI of `folder` is percent-encoded."""
    months = has_months(table)
    names = ["path", "size_bytes", "num_records", *([f"partition.{MONTH}"] if months else [])]
    actions: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).select(names).to_pylist()
    files = (
        DataFile(
            path=folder / str(action["path"]),
            month=str(action[f"partition.{MONTH}"]) if months else "",
            size_bytes=int(action["size_bytes"]),
            rows=int(action["num_records"] or 0),
        )
        for action in actions
    )
    return sorted(files, key=lambda file: file.path)


def overlaps(path: Path, since_us: int | None, until_us: int | None) -> bool:
    """Whether a file may hold rows with since_us <= event_time < until_us, by its folder's month."""
    name, _, month = path.parent.name.partition("=")
    if name != MONTH:
        return True
    after = until_us is not None and month > month_of(max(until_us - 1, 0))
    before = since_us is not None and month < month_of(max(since_us, 0))
    return not (after or before)
