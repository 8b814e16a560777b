"""Places in the raw log, for records that are written of it: known before they are committed.

A checked record's offset is known only when its transaction is under way, and another one if it is done again. So its
place is that of the raw record that it reaches up to: the same one however often it is made, and in whatever company.

| bits of `hi` | what |
|---|---|
| 52 | set: before all of these come the offsets by which records without a place go |
| 46 to 51 | how often the raw topic was made anew (`rapport bus seek` counts it) |
| 0 to 45 | offset of the raw record |

A double holds it exactly, which scores of Redis's sorted sets are. `lo` is the offset of the record that has the place,
plus one, so that it can be found; 0 in what is not on the bus yet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.bus.protocol import Position
from rapport.errors import BusError

__all__ = ["is_ahead", "is_placed", "offset_after", "on_from", "place_of", "places_of"]

_PLACED = 1 << 52
_TURN_BITS = 46
_MOST_TURNS = 63


def place_of(raw: Position) -> int:
    """The place of the raw record at a position of its topic; of START, the one before all others."""
    return _PLACED + (raw.lo << _TURN_BITS) + raw.hi - 1


def places_of(raw: Sequence[Position]) -> npt.NDArray[np.int64]:
    """int64[n]: the places of n raw records of one partition, read one after the other."""
    his = np.fromiter((position.hi for position in raw), np.int64, len(raw))
    return his + (place_of(Position(0, raw[0].lo)) if len(raw) else 0)


def is_placed(position: Position) -> bool:
    """Whether a position is a place in the raw log, and no offset."""
    return position.hi >= _PLACED


def is_ahead(position: Position) -> bool:
    """Whether a position is that of a record that is not on the bus yet."""
    return is_placed(position) and position.lo == 0


def offset_after(position: Position) -> int:
    """The offset of the first record of a Kafka partition after a position in it."""
    return position.lo if is_placed(position) else position.hi


def on_from(at: Position, first: int, end: int) -> Position:
    """Where to go on in a partition that has the offsets from `first` to before `end`, and not the one behind `at`.

    Raises:
        BusError: the topic was made anew too often to be told apart.
    """
    if is_placed(at):
        return Position(at.hi, first)
    if at.hi <= end:
        return Position(first, at.lo)
    if at.lo >= _MOST_TURNS:
        raise BusError(
            f"the topic was made anew {_MOST_TURNS} times, and more cannot be told apart: go on with another "
            "RAPPORT_KAFKA_PREFIX (docs/kafka.md, Partitions)"
        )
    return Position(first, at.lo + 1)
