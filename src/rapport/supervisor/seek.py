"""Letting a group of consumers go on from the oldest records there are, when retention has overtaken it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapport.bus.groups import consumers
from rapport.bus.protocol import START, Position
from rapport.errors import BusError, ServiceError
from rapport.settings import Settings
from rapport.supervisor.control import status

if TYPE_CHECKING:
    from rapport.bus.kafka import KafkaBus

__all__ = ["seek_oldest"]


def seek_oldest(settings: Settings, group: str, topic: str) -> list[tuple[int, Position, Position]]:
    """Move a group on in the partitions of a topic whose next record is gone.

    Returns:
        Of each partition that was changed, its number, the position that it had, and the one it has now.

    Raises:
        ServiceError: the installation runs.
        BusError: the bus forgets nothing by itself, nobody reads so, or a worker on another machine still reads.
        BusUnavailable
    """
    known = sorted(consumers(settings))
    if (group, topic) not in known:
        raise BusError(
            f"no group {group!r} reads {topic!r}; these do: " + ", ".join(f"{one} {other}" for one, other in known)
        )
    if not settings.bus_url:
        raise BusError("Redis Streams keep what was not read: no group has lost its place (RAPPORT_BUS_URL is empty)")
    if status(settings) is not None:
        raise ServiceError("the flows read on: `rapport down` first, on all machines")
    if settings.bus_url.startswith("kinesis://"):
        return _seek_kinesis(settings, group, topic)
    from rapport.bus.kafka import KafkaBus

    bus = KafkaBus.of(settings)
    try:
        moved = _seek_archive(settings, bus, topic) if group == "archive" else bus.seek(group, topic)
    finally:
        bus.close()
    return [(part, was, now) for part, (was, now) in sorted(moved.items())]


def _seek_kinesis(settings: Settings, group: str, topic: str) -> list[tuple[int, Position, Position]]:
    from rapport.bus.kinesis import KinesisBus
    from rapport.bus.kinesis_seek import seek
    from rapport.events.schema import TOPICS

    if topic not in TOPICS:
        raise BusError(f"{topic} is in Redis, which keeps what was not read: only raw topics are on Kinesis")
    bus = KinesisBus.of(settings)
    try:
        moved = seek(bus, group, topic)
    finally:
        bus.close()
    return [(number, was, now) for number, (was, now) in sorted(moved.items())]


def _seek_archive(settings: Settings, bus: KafkaBus, topic: str) -> dict[int, tuple[Position, Position]]:
    """The archive keeps its own position: an append of nothing moves it."""
    from rapport.archive import Archive, archive_writer
    from rapport.archive.schema import arrow_schema

    archive, name = Archive(settings.data_dir / "archive"), topic.removesuffix(".checked")
    before = {part: archive.position(name, archive_writer(part)) for part in range(bus.partitions(topic))}
    before = {part: at for part, at in before.items() if at > START}
    moves = bus.from_oldest(topic, before)
    nothing = arrow_schema(name).empty_table()
    return {
        part: (before[part], position)
        for part, position in moves.items()
        if archive.append(name, nothing, writer=archive_writer(part), position=position, after=before[part])
    }
