"""Kafka as the bus: topics, positions and counters on a cluster that several machines share.

A record's position is its offset + 1, or the place that it says (rapport.bus.placed); what a group has read is what it
has committed to Kafka. docs/kafka.md says what a hop's transaction covers.
"""

from __future__ import annotations

import atexit
import hashlib
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from rapport.bus.groups import groups_of
from rapport.bus.kafka_cluster import MAX_RECORD_BYTES, KafkaCluster
from rapport.bus.kafka_counts import KafkaCounts
from rapport.bus.kafka_hops import KafkaHops
from rapport.bus.kafka_link import KafkaLink, link_of, reached, why
from rapport.bus.kafka_member import KafkaMember
from rapport.bus.kafka_records import produce
from rapport.bus.kafka_room import Room
from rapport.bus.kafka_scan import KafkaReader, Scanner
from rapport.bus.placed import is_placed, offset_after, on_from
from rapport.bus.protocol import START, Hop, Message, Position
from rapport.bus.share import WHOLE, Share
from rapport.errors import BusError, BusFull, BusUnavailable, PositionMoved
from rapport.settings import Settings

__all__ = ["KafkaBus"]


class KafkaBus:
    """A bus on a Kafka cluster. See rapport.bus.protocol.Bus. Safe for threads; nothing is connected until used.

    Args:
        link: the cluster.
        partitions: partitions of every topic.
        max_length: records that the groups of a topic may be behind in one partition (of a topic that no group reads:
            that the partition may hold); more are refused with BusFull.
        replication, retention_h: of topics that are created.
        groups: the groups that read each topic.
        home: a folder of this installation: workers of one home and one machine know each other by their number.
    """

    keeps_read = True
    one_step = True
    foretells = True

    def __init__(
        self,
        link: KafkaLink,
        *,
        partitions: int = 1,
        max_length: int = 5_000_000,
        replication: int = 1,
        retention_h: int = 168,
        groups: Mapping[str, Sequence[str]] | None = None,
        home: Path | None = None,
    ) -> None:
        self._link = link
        self._cluster = KafkaCluster(link, partitions, replication, retention_h)
        self._scanner = Scanner(self._cluster)
        self._counts = KafkaCounts(self._cluster, self._scanner)
        self._room = Room(self._cluster, max_length, groups or {})
        self._hops = KafkaHops(self._cluster, self._counts, lambda: self._identity)
        self._grown = threading.Condition()
        self._members: dict[str, KafkaMember] = {}
        self._foretold: dict[str, bool] = {}
        self._home = home or Path.cwd()
        self._identity = _identity(self._home, 0)
        self._lock = threading.Lock()
        self._producer: Any = None

    @property
    def link(self) -> KafkaLink:
        """How the cluster is reached."""
        return self._link

    @classmethod
    def of(cls, settings: Settings, *, timeout_s: float = 5.0) -> KafkaBus:
        """The bus that an installation's settings describe.

        Raises:
            SettingsError: an address, a file or a combination that cannot be right.
        """
        return cls(
            link_of(settings, timeout_s),
            partitions=settings.partitions,
            max_length=settings.bus_max_length,
            replication=settings.kafka_replication,
            retention_h=settings.kafka_retention_h,
            groups=groups_of(settings),
            home=settings.data_dir,
        )

    def close(self) -> None:
        """Leave the groups and give the connections back. The bus can be used again afterwards."""
        atexit.unregister(self.close)
        for member in self._members.values():
            member.close()
        self._members.clear()
        self._hops.close()
        self._scanner.close()
        self._cluster.close()
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(self._link.timeout_s)

    def partitions(self, topic: str) -> int:
        return self._cluster.partitions

    def join(self, group: str, topics: Sequence[str], share: Share = WHOLE, *, foretold: bool = False) -> KafkaMember:
        if not self._members:
            atexit.register(self.close)
        elif group in self._members:
            self._members.pop(group).close()
        self._identity = _identity(self._home, share.index)
        member = KafkaMember(self._cluster, group, topics, self._identity, self._grown)
        self._members[group] = member
        self._foretold[group] = foretold
        return member

    def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._cluster.ensure({message.topic for message in messages})
        self._room.check(messages)
        # Reports come in whichever thread polls.
        told: list[Any] = []
        producer = self._publisher()
        with reached("publishing"):
            for message in messages:
                produce(producer, self._link, message, self._cluster.partitions, lambda error, _: told.append(error))
        deadline = time.monotonic() + self._link.timeout_s + 1.0
        while len(told) < len(messages) and time.monotonic() < deadline:
            producer.poll(0.05)
        self._room.added(messages)
        failed = [error for error in told if error is not None]
        if failed:
            raise why(failed[0], f"publishing: {len(failed)} of {len(messages)} records")
        if len(told) < len(messages):
            missing = len(messages) - len(told)
            raise BusUnavailable(f"Kafka has not confirmed {missing} of {len(messages)} records in time")

    def reader(self, topic: str, partition: int, after: Position = START) -> KafkaReader:
        return KafkaReader(self._cluster, self._scanner, topic, partition, after)

    def wait(self, seconds: float) -> None:
        with self._grown:
            if not any(member.ready() for member in self._members.values()):
                self._grown.wait(seconds)

    def position(self, group: str, topic: str, partition: int) -> Position:
        return self._hops.position(group, topic, partition, member=group in self._members)

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
        (refused,) = self.commit_all(group, [Hop(topic, partition, expected, position, outputs, counts)])
        if refused is not None:
            raise refused

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        self._cluster.ensure({message.topic for hop in hops for message in hop.outputs} | {hop.topic for hop in hops})
        if any(hop.counts for hop in hops):
            self._counts.ensure()
        found: dict[int, BusError | None] = {}
        for at, hop in enumerate(hops):
            try:
                self._room.check([message for message in hop.outputs if not _is_passed_on(hop, message)])
            except BusFull as full:
                found[at] = full
        member = self._members.get(group)
        open_ = {at: hop for at, hop in enumerate(hops) if at not in found}
        if member is None:
            found |= {at: self._from_outside(group, hop) for at, hop in open_.items()}
        else:
            done = self._hops.of_member(member, list(open_.values()))
            found |= {at: None if any(hop is one for one in done) else _moved(group, hop) for at, hop in open_.items()}
        self._room.added([message for at, hop in open_.items() if found[at] is None for message in hop.outputs])
        return [found[at] for at in range(len(hops))]

    def foretell(self, topic: str, hop: Hop) -> None:
        for group, member in list(self._members.items()):
            if self._foretold[group]:
                member.offer(topic, hop)

    def _from_outside(self, group: str, hop: Hop) -> BusError | None:
        try:
            self._hops.from_outside(group, hop)
        except PositionMoved as refused:
            return refused
        return None

    def continues(self, topic: str, partition: int) -> Sequence[int]:
        return ()

    def counts(self, prefix: str = "") -> dict[str, int]:
        return self._counts.sums(prefix)

    def trim(self, topic: str, partition: int, before: Position) -> int:
        self._cluster.ensure([topic])
        place = (topic, partition)
        first, end = self._cluster.extents([place])[place]
        # Its own record stays, unless it says that it is behind that.
        offset = min(before.lo - 1 if is_placed(before) else before.hi - (before.lo == 0), end)
        if offset <= first:
            return 0
        self._cluster.delete_before(topic, partition, offset)
        self._room.forget(place)
        return offset - first

    def seek(self, group: str, topic: str) -> dict[int, tuple[Position, Position]]:
        """Move a group without members on to the oldest records that a topic still has, where it is before them.

        Returns:
            By partition, the position that it had and the one it has now.

        Raises:
            BusError: the group has members.
            BusUnavailable
        """
        places = [(topic, partition) for partition in range(self._cluster.partitions)]
        before = {place[1]: at for place, at in self._cluster.positions(group, places).items()}
        moves = self.from_oldest(topic, before)
        if moves:
            self._cluster.move(group, {(topic, partition): position for partition, position in moves.items()})
        return {partition: (before[partition], position) for partition, position in moves.items()}

    def from_oldest(self, topic: str, positions: Mapping[int, Position]) -> dict[int, Position]:
        """Where to go on from, in those of some partitions' positions behind which a topic has not got the record.

        Raises:
            BusError: it was made anew too often.
            BusUnavailable
        """
        extents = self._cluster.extents((topic, partition) for partition in positions)
        return {
            partition: on_from(at, extents[topic, partition].first, extents[topic, partition].end)
            for partition, at in positions.items()
            if not extents[topic, partition].first <= offset_after(at) <= extents[topic, partition].end
        }

    def _publisher(self) -> Any:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(
                    self._link.config(
                        enable_idempotence=True,
                        linger_ms=1,
                        message_max_bytes=MAX_RECORD_BYTES,
                        message_timeout_ms=int(self._link.timeout_s * 1_000),
                        compression_type="lz4",
                    )
                )
            return self._producer


def _is_passed_on(hop: Hop, message: Message) -> bool:
    """Whether a message is a record of the hop that goes on in another partition: of those there are no more then."""
    return message.topic == hop.topic and message.partition is not None


def _moved(group: str, hop: Hop) -> PositionMoved:
    return PositionMoved(
        f"{hop.topic}/{hop.partition} is not read by this process for group {group!r} any more, or not from "
        f"{hop.expected}"
    )


def _identity(home: Path, index: int) -> str:
    """A name that a worker has again after a restart, and no other worker has."""
    where = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:10]
    return f"{socket.gethostname()}-{where}-{index}"
