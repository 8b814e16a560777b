"""The two ends of a row: an event's JSON, or what the dead letters keep of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rapport.replay.fields import CellError
from rapport.replay.rows import Chunk, Rejected

__all__ = ["encode_events", "reject_row"]

_encode = msgspec.json.Encoder().encode


def encode_events(values: Mapping[str, Sequence[Any]], required: frozenset[str]) -> list[bytes]:
    """The JSON of events, from the values of each field; a field without a value is left out.

    Raises:
        CellError: a required field has no value, or a text is not Unicode.
    """
    sparse = False
    for name, column in values.items():
        if None in column:
            if name in required:
                raise CellError(name, "missing_field", f"the event needs {name!r}, and the row has no value for it")
            sparse = True
    names = tuple(values)
    rows = zip(*values.values(), strict=True)
    try:
        if sparse:
            return [_encode({name: v for name, v in zip(names, row, strict=True) if v is not None}) for row in rows]
        return [_encode(dict(zip(names, row, strict=True))) for row in rows]
    except UnicodeEncodeError:
        raise CellError("", "bad_value", "a text has bytes that are not of the mapping's encoding") from None


def reject_row(chunk: Chunk, index: int, field: str, reason: str, detail: str) -> Rejected:
    """A row of a chunk as a rejected one, with its columns as JSON."""
    row = {name: cells[index] for name, cells in chunk.columns.items()}
    try:
        raw = msgspec.json.encode(row, enc_hook=str).decode()
    except UnicodeEncodeError:
        raw = json.dumps(row, default=str)  # escapes what is no Unicode
    return Rejected(chunk.rows[index], chunk.lines[index], raw, reason, field, detail)
