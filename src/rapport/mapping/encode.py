"""The end of a row: an event's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rapport.mapping.fields import CellError

__all__ = ["encode_events"]

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
