"""From records of the bus to a table for the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from rapport.archive.schema import DECISIONS, arrow_schema, from_block, with_source
from rapport.bus.protocol import Position
from rapport.decisions.record import record_row
from rapport.errors import EventError, RowCorrupt
from rapport.events.block import CHECKED_SUFFIX, joined, places_of_rows, read_blocks

__all__ = ["archive_topic", "to_table"]


def archive_topic(topic: str) -> str:
    """The archive's name of a topic of the bus: `feedback` of `feedback.checked`."""
    return topic.removesuffix(CHECKED_SUFFIX)


def to_table(
    topic: str, partition: int, positions: Sequence[Position], values: Sequence[bytes]
) -> tuple[pa.Table, dict[int, EventError]]:
    """The archive's rows of records.

    Args:
        topic: a checked topic, or decisions.
        partition, positions: where the records are.
        values: the records' bytes.

    Returns:
        The table, and by their place the records that could not be read and are left out of it.
    """
    name = archive_topic(topic)
    if name == DECISIONS:
        return _decisions(values)
    refused: dict[int, EventError] = {}
    try:
        blocks = read_blocks(name, values)
    except RowCorrupt as error:
        refused = {i: EventError("bad_value", "", f"not a block of checked {name}") for i in error.rows}
        good = [i for i in range(len(values)) if i not in refused]
        values, positions = [values[i] for i in good], [positions[i] for i in good]
        blocks = read_blocks(name, values)
    places = places_of_rows(positions, values)
    return with_source(from_block(name, joined(name, blocks)), partition, *places), refused


def _decisions(values: Sequence[bytes]) -> tuple[pa.Table, dict[int, EventError]]:
    rows: list[tuple[Any, ...]] = []
    refused: dict[int, EventError] = {}
    for i, value in enumerate(values):
        try:
            rows.append(record_row(value))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            refused[i] = EventError("bad_value", "", f"not a decision record: {error}"[:200])
    schema = arrow_schema(DECISIONS)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.table(
        [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)], schema
    ), refused
