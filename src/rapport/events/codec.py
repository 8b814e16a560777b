"""Checked rows on the wire: one msgpack array per row, values in the order BASE, then COLUMNS of the topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np

from rapport.errors import EventError, RowCorrupt
from rapport.events.columns import BASE, COLUMNS
from rapport.events.derive import Row
from rapport.events.schema import TOPICS
from rapport.windows.columns import Column, Events, column_of
from rapport.windows.view import Kind

__all__ = ["CHECKED_SUFFIX", "columns_of", "decode_rows", "encode_row", "events_of"]

CHECKED_SUFFIX = ".checked"
"""What the name of a topic of checked rows ends with, after the event topic's."""

_TYPES: dict[Kind, Any] = {Kind.INT: int, Kind.FLOAT: float, Kind.STRING: str, Kind.BOOL: bool}
_NEVER_NULL = ("event_id", "customer_id", "event_time_us", "arrival_time_us", "schema_version")

encode_row: Callable[[Row], bytes] = msgspec.msgpack.Encoder().encode
"""A row as msgpack."""


def decode_rows(topic: str, values: Sequence[bytes]) -> list[Row]:
    """The rows, each with its values checked against the topic's columns.

    Raises:
        RowCorrupt: a value is not a row of the topic; `rows` has the places of all that are not.
    """
    try:
        rows: list[Row] = _decoder(topic, many=True).decode(_array_head(len(values)) + b"".join(values))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        rows = []
    if len(rows) != len(values):
        # Values that are no rows can only be told apart one by one.
        bad = tuple(i for i, value in enumerate(values) if not _is_row(topic, value))
        raise RowCorrupt(
            f"{len(bad)} of {len(values)} records are not checked rows of {topic} (the first is number "
            f"{bad[0] if bad else 0}): they were written by another version, or not by the ingest flow",
            rows=bad,
        )
    return rows


def columns_of(topic: str, rows: Sequence[Row], names: Iterable[str]) -> dict[str, Column]:
    """Columns of decoded rows, by name; each as long as `rows`."""
    places, kinds = _places(topic), {**BASE, **COLUMNS[topic]}
    wanted = list(names)
    by_place: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    return {name: column_of(kinds[name], by_place[places[name]]) for name in wanted}


def events_of(topic: str, rows: Sequence[Row], names: Iterable[str]) -> Events:
    """The rows as the windows take them: their times (int64[n], microseconds, UTC), and the named columns."""
    at = _places(topic)["event_time_us"]
    times = np.fromiter((row[at] for row in rows), np.int64, len(rows))
    return Events(times, columns_of(topic, rows, names))


@cache
def _places(topic: str) -> dict[str, int]:
    return {name: place for place, name in enumerate((*BASE, *COLUMNS[topic]))}


@cache
def _decoder(topic: str, *, many: bool) -> msgspec.msgpack.Decoder[Any]:
    if topic not in COLUMNS:
        raise EventError("unknown_topic", "", f"there is no topic {topic[:80]!r}; topics are {', '.join(TOPICS)}")
    types = [
        _TYPES[kind] if name in _NEVER_NULL else _TYPES[kind] | None
        for name, kind in {**BASE, **COLUMNS[topic]}.items()
    ]
    row: Any = tuple[tuple(types)]  # type: ignore[misc]
    return msgspec.msgpack.Decoder(list[row] if many else row)


def _array_head(length: int) -> bytes:
    """msgpack's head of an array of `length` values that follow (array 32)."""
    return b"\xdd" + length.to_bytes(4, "big")


def _is_row(topic: str, value: bytes) -> bool:
    try:
        _decoder(topic, many=False).decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
