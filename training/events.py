"""Columns of the archive's topics as the labels and the spine take them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from rapport.archive import Archive

__all__ = ["read_events"]


def read_events(archive: Archive, topic: str, columns: Sequence[str], until_us: int) -> pd.DataFrame:
    """Events up to and at until_us: customer_id, time_us (int64, UTC microseconds), and the named columns."""
    table = archive.scan(topic, ["customer_id", "event_time", *columns], until_us=until_us + 1)
    times = table.column("event_time").cast(pa.int64())
    table = table.drop_columns(["event_time"]).append_column("time_us", times)
    frame: pd.DataFrame = table.to_pandas()
    return frame
