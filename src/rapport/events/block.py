"""Checked events on the wire: a block holds many rows of one partition of a topic, as Arrow columns.

| bytes | what |
|---|---|
| 0 | version of this format: 1, or 2 if the rows say their places |
| 1 to 3 | zeros |
| 4 to 7 | number of rows, n |
| 8 to 11 | CRC-32 of the schema's text: in version 2 "place"; the names and types of the topic's columns, in order |
| 12 to 15 | CRC-32 of what follows |
| 8 n | version 2: int64[n], the place of each row's raw record (rapport.bus.placed); they ascend |
| the rest | an Arrow record batch in Arrow's IPC format, without its schema |

Numbers are little-endian. A block of another version or schema is refused, never misread. A row has a place of its own
in the partition, for marks and for the archive: after the position of the block before, and not after that of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.bus.protocol import Position
from rapport.errors import EventError, RowCorrupt
from rapport.events.arrow import arrow_type, to_column
from rapport.events.columns import BASE, COLUMNS
from rapport.events.schema import TOPICS
from rapport.windows.columns import Events

__all__ = [
    "BLOCK_BYTES",
    "CHECKED_SUFFIX",
    "Places",
    "block_schema",
    "encode_blocks",
    "events_of",
    "joined",
    "places_of_rows",
    "read_blocks",
    "rows_in",
]

CHECKED_SUFFIX = ".checked"
"""What the name of a topic of checked events ends with, after the event topic's."""
BLOCK_BYTES = 1 << 19
"""About how large a block may become; a single row may be larger."""

_HEAD = struct.Struct("<B3xIII")
_VERSION = 1
_WITH_PLACES = 2
_VERSIONS = (_VERSION, _WITH_PLACES)
_PLACE_BYTES = 8
_REQUIRED = ("event_id", "customer_id", "event_time_us", "arrival_time_us", "schema_version")
Places: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""int64[n] hi and int64[n] lo of the positions of n rows in their partition."""
_NONE = np.zeros(0, np.int64)


@cache
def block_schema(topic: str) -> pa.Schema:
    """The columns of a topic's checked events: BASE, then COLUMNS of the topic.

    Raises:
        EventError: unknown_topic.
    """
    if topic not in COLUMNS:
        raise EventError("unknown_topic", "", f"there is no topic {topic[:80]!r}; topics are {', '.join(TOPICS)}")
    kinds = {**BASE, **COLUMNS[topic]}
    return pa.schema([pa.field(name, arrow_type(kind), name not in _REQUIRED) for name, kind in kinds.items()])


def encode_blocks(
    topic: str, rows: pa.RecordBatch, places: npt.NDArray[np.int64] | None = None
) -> Iterator[tuple[bytes, int]]:
    """Rows of the topic's block_schema as blocks of about BLOCK_BYTES each, with the number of their rows.

    Args:
        places: int64[n], of the rows' raw records; None: the rows go by the positions of their blocks.
    """
    step = max(1, len(rows) * BLOCK_BYTES // max(1, rows.get_total_buffer_size()))
    for first in range(0, len(rows), step):
        part = rows.slice(first, step)
        yield _encode(topic, part, None if places is None else places[first : first + step]), len(part)


def _encode(topic: str, rows: pa.RecordBatch, places: npt.NDArray[np.int64] | None) -> bytes:
    version, content = _VERSION, bytes(memoryview(rows.serialize()))
    if places is not None:
        version, content = _WITH_PLACES, places.astype("<i8").tobytes() + content
    return _HEAD.pack(version, len(rows), _schema_crc(topic, version), crc32(content)) + content


def read_blocks(topic: str, values: Sequence[bytes]) -> list[pa.RecordBatch]:
    """The rows of each block.

    Raises:
        RowCorrupt: a value is not a block of the topic; `rows` has the places of all that are not.
    """
    bad = tuple(i for i, value in enumerate(values) if not _is_block(topic, value))
    if bad:
        raise RowCorrupt(
            f"{len(bad)} of {len(values)} records are not blocks of checked {topic} (the first is number {bad[0]}): "
            "they were written by another version, or not by the ingest flow",
            rows=bad,
        )
    schema = block_schema(topic)
    return [pa.ipc.read_record_batch(pa.py_buffer(value).slice(_rows_at(value)), schema) for value in values]


def joined(topic: str, blocks: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of some blocks of a topic, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    # Not concat_batches: Flink's environment has an Arrow without it.
    whole = pa.Table.from_batches(blocks, block_schema(topic)).combine_chunks().to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], block_schema(topic))


def rows_in(value: bytes) -> int:
    """How many rows a block says that it has; 1 of a value that is no block."""
    return int(_HEAD.unpack_from(value)[1]) if len(value) > _HEAD.size and value[0] in _VERSIONS else 1


def places_of_rows(positions: Iterable[Position], values: Sequence[bytes]) -> Places:
    """The places of the rows of some blocks, one after the other.

    Args:
        positions: of the blocks.
        values: the blocks, which `read_blocks` has read.

    Returns:
        int64[n] hi and int64[n] lo. A row that says its place is at (place, 0), row i of another block at (hi, lo) is
        at (hi - 1, i + 1): after the block before, and not after its own, so that a position that was committed is
        that of everything up to it.
    """
    his, los = [_NONE], [_NONE]
    for position, value in zip(positions, values, strict=True):
        count = rows_in(value)
        if _rows_at(value) > _HEAD.size:
            his.append(np.frombuffer(value, "<i8", count, _HEAD.size))
            los.append(np.zeros(count, np.int64))
        else:
            his.append(np.full(count, position.hi - 1))
            los.append(np.arange(1, count + 1))
    return np.concatenate(his), np.concatenate(los)


def events_of(topic: str, rows: pa.RecordBatch, names: Iterable[str]) -> Events:
    """Rows as the windows take them: their times (int64[n], microseconds, UTC), and the named columns."""
    kinds = {**BASE, **COLUMNS[topic]}
    times = rows.column("event_time_us").to_numpy()
    return Events(times, {name: to_column(kinds[name], rows.column(name)) for name in names})


@cache
def _schema_crc(topic: str, version: int) -> int:
    columns = [f"{field.name} {field.type}" for field in block_schema(topic)]
    return crc32("\n".join(["place"] * (version == _WITH_PLACES) + columns).encode())


def _is_block(topic: str, value: bytes) -> bool:
    if len(value) <= _HEAD.size:
        return False
    version, _, schema, content = _HEAD.unpack_from(value)
    if version == _WITH_PLACES and _rows_at(value) == _HEAD.size:
        return False
    crcs = (_schema_crc(topic, version), crc32(memoryview(value)[_HEAD.size :]))
    return version in _VERSIONS and (schema, content) == crcs


def _rows_at(value: bytes) -> int:
    """Where the Arrow record batch of a block begins."""
    behind = _HEAD.size + _PLACE_BYTES * rows_in(value)
    return behind if len(value) > behind and value[0] == _WITH_PLACES else _HEAD.size
