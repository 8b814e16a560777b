"""A row that became no event, as the bus's dead letters keep it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rapport.bus.protocol import Message
from rapport.replay.rows import Rejected

__all__ = ["DEAD_LETTERS", "dead_letter"]

DEAD_LETTERS = "dead_letters"

_encode = msgspec.json.Encoder().encode


def dead_letter(row: Rejected, file: Path, origin: str) -> Message:
    """The message for a row that the mapping rejected."""
    record = {
        "topic": "",
        "reason": row.reason,
        "field": row.field,
        "detail": row.detail,
        "raw": row.raw,
        "origin": origin,
        "file": str(file),
        "line": row.line,
    }
    return Message(DEAD_LETTERS, "", _encode(record), origin)
