"""Events by the column: a body of `POST /events` that says once what many events have in common.

What comes out is what went in: each field's JSON text is carried as it was, never read and written anew. Of an event
only the order of its fields, the white space between them and a repeated field's earlier value may be lost.

    {"version": 1, "tables": [{"topic": …, "rows": 3, "columns": {name: column}}], "plain": [[topic, event], …]}

A column is one of: `{"values": [a JSON text for each row]}`; `{"values": [each different one], "at": [which one each
row has, -1: the row has no such field]}`; `{"digits": of a second's fraction, "zone": text, "first": n, "steps":
[n, …]}`, times of one form, each as the difference from the one before, in units of the last digit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rapport.intake.bodies import EVENTS_LIMIT_BYTES, MAX_EVENTS, Given, bounded, check_topic, decode_body
from rapport.intake.packing import too_large
from rapport.intake.refusal import Refusal

__all__ = ["COLUMNS", "pack_columns", "parse_columns"]

COLUMNS = "application/vnd.rapport.columns+json"
"""Media type."""

_MAX_COLUMNS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_800
"""Seconds from 1970 to the year 10000, which no text of this form can name."""
_TIME = re.compile(rb'^"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|\+00:00)"$', re.ASCII)


class _Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    values: list[msgspec.Raw] | None = None
    at: list[int] | None = None
    digits: Annotated[int, Meta(ge=0, le=6)] | None = None
    zone: Literal["Z", "+00:00"] = "Z"
    first: int = 0
    steps: list[int] = []


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    rows: Annotated[int, Meta(ge=1, le=MAX_EVENTS)]
    columns: Annotated[dict[str, _Column], Meta(max_length=_MAX_COLUMNS)]


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    version: Literal[1]
    tables: Annotated[list[_Table], Meta(max_length=_MAX_COLUMNS)] = []
    plain: list[tuple[str, msgspec.Raw]] = []


_batch = msgspec.json.Decoder(_Batch)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def pack_columns(good: Sequence[Given], plain: Sequence[Given] = ()) -> bytes:
    """The body that carries events.

    Args:
        good: events that are JSON objects.
        plain: events that are carried as they are, to the byte; JSON as well.
    """
    by_topic: dict[str, list[dict[str, bytes]]] = {}
    for topic, event in good:
        fields = {name: bytes(value) for name, value in _fields.decode(event).items()}
        by_topic.setdefault(topic, []).append(fields)
    tables = [_Table(topic, len(rows), _columns(rows)) for topic, rows in by_topic.items()]
    return msgspec.json.encode(_Batch(1, tables, [(topic, msgspec.Raw(event)) for topic, event in plain]))


def parse_columns(body: bytes) -> list[Given]:
    """The events of a body; those of a topic in their order.

    Raises:
        Refusal: 400, 413; names the topic and the column.
    """
    batch = decode_body(_batch, body)
    room = EVENTS_LIMIT_BYTES - sum(len(event) for _, event in batch.plain)
    given: list[Given] = []
    for table in batch.tables:
        check_topic(table.topic, "tables")
        events = _expand(table, room)
        room -= sum(map(len, events))
        given.extend((table.topic, event) for event in events)
    given.extend((check_topic(topic, "plain"), bytes(event)) for topic, event in batch.plain)
    return bounded(given)


def _columns(rows: Sequence[dict[str, bytes]]) -> dict[str, _Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(texts: Sequence[bytes | None]) -> _Column:
    different = {text: number for number, text in enumerate(dict.fromkeys(text for text in texts if text is not None))}
    if None in texts or len(different) * 2 <= len(texts):
        at = [-1 if text is None else different[text] for text in texts]
        return _Column([msgspec.Raw(text) for text in different], at)
    given = [text for text in texts if text is not None]
    return _times(given) or _Column([msgspec.Raw(text) for text in given])


def _times(texts: Sequence[bytes]) -> _Column | None:
    """The texts as times; None when they are not all of one form."""
    match = _TIME.match(texts[0])
    if match is None:
        return None
    digits, zone = len(match[2] or b""), match[3].decode()
    try:
        units = [_units(text, digits) for text in texts]
    except ValueError:
        return None
    if min(units) < 0 or [_text(each, digits, zone) for each in units] != list(texts):
        return None
    return _Column(
        digits=digits, zone="Z" if zone == "Z" else "+00:00", first=units[0], steps=[b - a for a, b in pairwise(units)]
    )


def _units(text: bytes, digits: int) -> int:
    match = _TIME.match(text)
    if match is None:
        raise ValueError("not of this form")
    seconds = datetime.fromisoformat(match[1].decode()).replace(tzinfo=UTC) - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * int(10**digits) + int(match[2] or 0)


def _text(units: int, digits: int, zone: str) -> bytes:
    seconds, fraction = divmod(units, 10**digits)
    moment = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    part = f".{fraction:0{digits}d}" if digits else ""
    return f'"{moment:0>19}{part}{zone}"'.encode()


def _expand(table: _Table, room: int) -> list[bytes]:
    names = [b"%s:" % msgspec.json.encode(name) for name in table.columns]
    columns = [_texts(table, name, column) for name, column in table.columns.items()]
    size = sum(len(text) + len(name) + 1 for name, texts in zip(names, columns, strict=True) for text in texts if text)
    if size + 2 * table.rows > room:
        raise too_large(EVENTS_LIMIT_BYTES)
    rows: Any = zip(*columns, strict=True) if columns else [()] * table.rows
    return [
        b"{%s}" % b",".join([name + text for name, text in zip(names, row, strict=True) if text is not None])
        for row in rows
    ]


def _texts(table: _Table, name: str, column: _Column) -> list[bytes | None]:
    """Each row's text; None where it has no such field."""
    texts = _given(column)
    if texts is None or len(texts) != table.rows:
        rows = "an `at` outside of its values" if texts is None else f"{len(texts):,} rows"
        detail = f"column {name[:80]!r} has {rows}, but its table has {table.rows:,} rows"
        raise Refusal(400, "bad_value", f"tables.{table.topic}", detail)
    return texts


def _given(column: _Column) -> list[bytes | None] | None:
    if column.digits is not None:
        unit = 10**column.digits
        moments = list(accumulate(column.steps, initial=column.first))
        if min(moments) < 0 or max(moments) >= _LAST * unit:
            return None
        return [_text(each, column.digits, column.zone) for each in moments]
    values: list[bytes | None] = [bytes(value) for value in column.values or []]
    if column.at is None:
        return values
    if column.at and not -1 <= min(column.at) <= max(column.at) < len(values):
        return None
    return [*(None if at < 0 else values[at] for at in column.at)]
