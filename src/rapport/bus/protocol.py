"""What a bus is to Rapport: topics of keyed records in partitions, positions, and an atomic hop.

Nothing else in the project knows whether records travel through Redis Streams or something larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

from rapport.bus.share import WHOLE, Share
from rapport.errors import BusError

__all__ = ["START", "Bus", "Hop", "Membership", "Message", "Place", "Position", "Reader", "RecordBatch"]

Place: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""


class Position(NamedTuple):
    """Place of a record in its partition; ordered. Redis Streams: (milliseconds, sequence). Kafka: (offset + 1, 0), or
    what rapport.bus.placed says."""

    hi: int
    lo: int

    @classmethod
    def of_offset(cls, offset: int) -> Position:
        """The place of Kafka's record at `offset`. It is what a consumer that has read it commits, the next offset, so
        the first record, at offset 0, too comes after START."""
        return cls(offset + 1, 0)

    @classmethod
    def of_offsets(cls, offsets: Iterable[int], lo: int = 0) -> list[Position]:
        """As `of_offset`, for many: a fraction of the time."""
        return list(map(partial(tuple.__new__, cls), ((offset + 1, lo) for offset in offsets)))


START = Position(0, 0)
"""Before every record."""


class Message(NamedTuple):
    """A record to publish.

    Attributes:
        topic: where to.
        key: chooses the partition (a customer's id), unless `partition` says it.
        value: what it carries.
        origin: a producer's name for one of its runs; travels along, so that what became of its records can be counted.
        partition: the partition; None: the key's.
        events: 0, or how many events the value holds. Records of a topic either all have it or none does; where they
            have it, the topic's limit is one of events, and so is a reader's lag if the bus can tell.
        place: 0, or the `hi` of the position that the record shall have where the bus lets the writer say it.
    """

    topic: str
    key: str
    value: bytes
    origin: str = ""
    partition: int | None = None
    events: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one partition, in position order, as columns of equal length."""

    topic: str
    partition: int
    positions: list[Position]
    keys: list[str]
    values: list[bytes]
    origins: list[str]
    arrivals_us: list[int]
    """When the bus accepted each record: system time, UTC, microseconds."""
    sources: list[str] = field(default_factory=list)
    """How the system that the records come from names each of them, where a position does not say it; else empty."""

    def __len__(self) -> int:
        return len(self.positions)


class Reader(Protocol):
    """Reads one partition from a position on."""

    def poll(self, max_records: int) -> RecordBatch | None:
        """The next records, at most `max_records`; None when there are none now. Never blocks.

        Raises:
            BusUnavailable: the bus does not answer; the reader can be polled again.
        """

    def lag(self) -> int:
        """Records in the partition behind this reader's position."""


class Membership(Protocol):
    """The partitions of some topics that this process reads for a group. They may change at any time."""

    def places(self) -> Mapping[Place, int]:
        """What is ours now, each with a number that is another one when it was given away and came back meanwhile. The
        same object until something changes.

        Raises:
            BusError: this process can be no member; a restart would not cure it.
        """

    def reader(self, topic: str, partition: int, after: Position = START) -> Reader:
        """A reader of a place that is ours; it gives nothing any more when the place is no longer, or when another
        reader of it is made."""

    def settled(self) -> bool:
        """Whether places have been given out, and the readers have nothing left that was on the bus a moment ago."""


class Hop(NamedTuple):
    """What came of a batch: `outputs` and `counts`, and a position to move on from `expected` to `position`."""

    topic: str
    partition: int
    expected: Position
    position: Position
    outputs: Sequence[Message] = ()
    counts: Mapping[str, int] | None = None


class Bus(Protocol):
    keeps_read: bool
    """Whether records stay, for as long as the bus itself is told to keep them, when all have read them; otherwise the
    flows trim what they have read."""

    one_step: bool
    """Whether `commit_all` makes one step of all hops, and should be given those that came together."""

    foretells: bool
    """Whether records may say their place (`Message.place`), so that `foretell` lets them be read before they are
    committed. Those of one partition then have to come from one partition."""

    def partitions(self, topic: str) -> int: ...

    def join(self, group: str, topics: Sequence[str], share: Share = WHOLE, *, foretold: bool = False) -> Membership:
        """Read topics for a group.

        Args:
            share: which partitions; a bus whose groups share them out by themselves takes it as this process's name
                among those of this machine.
            foretold: take what this process foretells, too: for results that a record may be in before it is committed.
        """

    def publish(self, messages: Sequence[Message]) -> None:
        """Append all messages; on return the bus holds them.

        Raises:
            BusFull: a partition is at its limit; nothing of this call was published.
            BusUnavailable
        """

    def reader(self, topic: str, partition: int, after: Position = START) -> Reader: ...

    def wait(self, seconds: float) -> None:
        """Return when one of this bus's readers may have records, or after `seconds`.

        Raises:
            BusUnavailable
        """

    def position(self, group: str, topic: str, partition: int) -> Position:
        """The committed position of a group of consumers; START when it has none."""

    def commit(
        self,
        group: str,
        topic: str,
        partition: int,
        *,
        expected: Position,
        position: Position,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Publish `outputs`, add `counts` to the durable counters and move the group's position from `expected` to
        `position`: all or nothing.

        Raises:
            PositionMoved: the stored position is not `expected`: another worker has the partition.
            BusFull: a topic of the outputs is at its limit; nothing was done, try again later.
            BusUnavailable: whether it was done is not known; rapport.bus.retry.commit_surely finds out.
        """

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        """Commit several partitions' hops, each as `commit` would, in one step if the bus can.

        Returns:
            For each hop None, or the PositionMoved or BusFull for which it was refused.

        Raises:
            BusUnavailable: whether a hop was done is not known, for each of them.
        """

    def foretell(self, topic: str, hop: Hop) -> None:
        """A hop that will be committed, or, after a crash or a refusal, made again of the same records with the same
        result: whoever of this process reads the hop's partition of `topic` so may have what goes there now."""

    def continues(self, topic: str, partition: int) -> Sequence[int]:
        """Partitions whose keys this one has taken over, on a bus that splits and merges them; each had been read to
        its end before this one was begun."""

    def counts(self, prefix: str = "") -> dict[str, int]:
        """The durable counters whose name starts with `prefix`."""

    def trim(self, topic: str, partition: int, before: Position) -> int:
        """Drop records before a position; returns how many. Called with the least position of all groups."""
