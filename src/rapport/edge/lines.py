"""Events from a stream of lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from rapport.edge.keeper import Keeper
from rapport.edge.spool import Spool
from rapport.errors import EdgeError
from rapport.intake.bodies import Given

__all__ = ["keep_lines"]

_WAIT_S = 0.5
_MAX_LINE_BYTES = 128 * 1024
"""A longer line is taken in pieces, each of which becomes a dead letter."""
_log = logging.getLogger(__name__)


def keep_lines(
    lines: BinaryIO, topic: str, keeper: Keeper, spool: Spool, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Keep each line as an event of a topic, to the end, and return when all have been forwarded.

    While there is no room nothing is read, so that the writer waits. A line that is no JSON is forwarded as a JSON
    text, so that it becomes a dead letter that can be read.
    """
    for events in _batches(lines, topic):
        while True:
            try:
                keeper.keep_now(events)
                break
            except EdgeError as error:
                _log.warning("reading waits: %s", error)
                sleep(_WAIT_S)
    while spool.events:
        spool.wait(_WAIT_S)


def _batches(lines: BinaryIO, topic: str) -> Iterator[list[Given]]:
    """What can be read without waiting makes one batch: a slow writer's line is kept at once."""
    rest = b""
    while part := lines.read1(_MAX_LINE_BYTES):  # type: ignore[attr-defined]
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > _MAX_LINE_BYTES:
            whole, rest = [*whole, rest], b""
        if events := [(topic, _event(line)) for line in whole if line.strip()]:
            yield events
    if rest.strip():
        yield [(topic, _event(rest))]


def _event(line: bytes) -> bytes:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
        line.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(line.decode("utf-8", "backslashreplace"))
    return line
