"""Letting a group go on from the oldest records of a stream, when retention has overtaken it."""

from __future__ import annotations

from rapport.bus.kinesis import KinesisBus
from rapport.bus.kinesis_marks import Checkpoint
from rapport.bus.protocol import Position
from rapport.errors import RecordsGone

__all__ = ["seek"]

_APART = 100_000


def seek(bus: KinesisBus, group: str, topic: str) -> dict[int, tuple[Position, Position]]:
    """Let a group begin anew in the shards of a raw topic whose next record is gone, at the oldest record they have.
    Shards that vanished before they had been read to the end count as read.

    Returns:
        By the number of the shard, the position that it had and the one it has now.

    Raises:
        BusUnavailable, BusError
    """
    name, shards = bus.name(topic), bus.streams.get(topic, max_age_s=0.0).shards
    taken, ended = bus.marks.taken_and_ended(group, name)
    moved = {}
    for number in sorted(taken - ended):
        was = bus.position(group, topic, number)
        if number not in shards:
            bus.marks.end(group, name, [number])
            moved[number] = (was, was)
        elif _is_gone(bus, topic, number, was):
            # Numbers that no record has had: ids that were claimed under those are not taken for another's.
            now = Checkpoint(was.hi + _APART)
            bus.restart(group, topic, number, was, now)
            moved[number] = (was, now.position)
    return moved


def _is_gone(bus: KinesisBus, topic: str, number: int, at: Position) -> bool:
    try:
        bus.look(topic, number, at)
    except RecordsGone:
        return True
    return False
