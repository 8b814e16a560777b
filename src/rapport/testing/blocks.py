"""Checked rows without an ingest flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rapport.bus.protocol import Message
from rapport.events.block import CHECKED_SUFFIX, block_schema, encode_blocks

__all__ = ["block_message", "rows_of"]


def rows_of(topic: str, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of a topic from their values by column name; what is not given is null."""
    return pa.RecordBatch.from_pylist(list(rows), schema=block_schema(topic))


def block_message(topic: str, rows: Sequence[Mapping[str, Any]], *, partition: int = 0) -> Message:
    """A message that brings some rows to the topic's checked topic; no more than fit one block."""
    ((block, events),) = encode_blocks(topic, rows_of(topic, rows))
    return Message(topic + CHECKED_SUFFIX, "", block, partition=partition, events=events)
