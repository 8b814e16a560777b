"""What is on a Kafka cluster, asked and changed through its admin interface: topics, ends, positions of groups."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from rapport.bus.kafka_link import KafkaLink, reached, settled
from rapport.bus.placed import is_placed, offset_after
from rapport.bus.protocol import Place, Position
from rapport.errors import BusError, BusUnavailable, SettingsError
from rapport.events.schema import TOPICS

__all__ = ["Extent", "KafkaCluster", "to_offset", "to_position"]

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""Largest record of topics that are created here."""
_MAX_EVENT_BYTES = 4 * 1024 * 1024
"""Of topics of events as they are sent: an event that is refused has to fit into a dead letter, in base64."""
_CREATED_WITHIN_S = 10.0
_PLACE = "place "
_T = TypeVar("_T")


class Extent(NamedTuple):
    """The offset of the oldest record of a partition, and the one behind its newest."""

    first: int
    end: int


class KafkaCluster:
    """One admin client, made when it is needed. Safe for threads.

    Args:
        link: the cluster.
        partitions: of every topic.
        replication: of topics that are created here.
        retention_h: of topics that are created here, hours.
    """

    def __init__(self, link: KafkaLink, partitions: int, replication: int, retention_h: int) -> None:
        self.link = link
        self.partitions = partitions
        self._replication = replication
        self._retention_h = retention_h
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._made: Any = None
        self._askers: dict[str, Any] = {}
        self._known: set[str] = set()

    @property
    def _admin(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = AdminClient(self.link.config())
            return self._made

    def _look_again(self) -> None:
        """Forget what the client knows of the cluster: after a restart it may go by it for minutes."""
        with self._lock:
            self._made = None

    def _ask(self, call: Callable[[float], _T]) -> _T:
        """An answer of the admin client, which is given the seconds that are left for it."""
        return settled(call, self.link.timeout_s, self._look_again)

    def ensure(self, topics: Iterable[str], *, partitions: int = 0, **settings: str) -> None:
        """Create the topics that are missing, and look once whether the others are as they must be.

        Args:
            topics: names without the prefix.
            partitions: 0: as all event topics.
            settings: the topics', `_` for `.` in their names, beside or instead of the ordinary ones.

        Raises:
            SettingsError: a topic has another number of partitions, or takes its producers' times for arrivals.
            BusUnavailable, BusError
        """
        unknown = sorted({self.link.topic(topic) for topic in topics} - self._known)
        if not unknown:
            return
        partitions = partitions or self.partitions
        wanted = {
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self._retention_h * 3_600_000),
            "max.message.bytes": str(MAX_RECORD_BYTES),
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        with reached("topics"):
            found = self._described(unknown)
            missing = [topic for topic in unknown if topic not in found]
            for topic in missing:
                raw = topic.removeprefix(self.link.prefix) in TOPICS
                self._create(topic, partitions, wanted | ({"max.message.bytes": str(_MAX_EVENT_BYTES)} if raw else {}))
            self._check(found, partitions)
        self._known.update(unknown)

    def _described(self, topics: Sequence[str]) -> dict[str, int]:
        """The number of partitions of each topic that there is."""
        return self._ask(lambda left_s: self._describe(topics, left_s))

    def _describe(self, topics: Sequence[str], left_s: float) -> dict[str, int]:
        from confluent_kafka import TopicCollection

        found = {}
        futures = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=left_s)
        for topic, future in futures.items():
            try:
                found[topic] = len(future.result().partitions)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return found

    def _create(self, topic: str, partitions: int, settings: Mapping[str, str]) -> None:
        new = NewTopic(topic, partitions, self._replication, config=dict(settings))
        try:
            self._ask(lambda left_s: self._admin.create_topics([new], request_timeout=left_s)[topic].result())
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.INVALID_REPLICATION_FACTOR:
                raise SettingsError(
                    f"RAPPORT_KAFKA_REPLICATION={self._replication}: Kafka cannot create {topic} so: "
                    f"{error.args[0].str()}"
                ) from None
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        deadline = time.monotonic() + _CREATED_WITHIN_S
        while topic not in self._described([topic]):
            if time.monotonic() > deadline:
                raise BusUnavailable(f"Kafka has not created {topic} within {_CREATED_WITHIN_S:g} s")
            time.sleep(0.02)

    def _check(self, found: Mapping[str, int], partitions: int) -> None:
        for topic, number in found.items():
            if number != partitions:
                raise SettingsError(
                    f"Kafka's topic {topic} has {number} partitions, and {partitions} are expected: set "
                    f"RAPPORT_PARTITIONS to {number}; all of Rapport's topics have the same number (docs/kafka.md says "
                    "how to change it)"
                )
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in found]
        if not resources:
            return
        for resource, settings in self._ask(lambda left_s: self._settings(resources, left_s)):
            if settings["message.timestamp.type"].value != "LogAppendTime":
                raise SettingsError(
                    f"Kafka's topic {resource.name} keeps the times that producers claim, and arrivals are taken from "
                    "it: set its message.timestamp.type to LogAppendTime (`kafka-configs.sh --alter --topic "
                    f"{resource.name} --add-config message.timestamp.type=LogAppendTime`)"
                )

    def _settings(self, resources: Sequence[Any], left_s: float) -> list[tuple[Any, Any]]:
        futures = self._admin.describe_configs(list(resources), request_timeout=left_s)
        return [(resource, future.result()) for resource, future in futures.items()]

    def extents(self, places: Iterable[Place]) -> dict[Place, Extent]:
        """Where partitions begin and end; the ends count records whose transactions are open.

        Raises:
            BusUnavailable
        """
        wanted = {(self.link.topic(topic), partition): (topic, partition) for topic, partition in places}
        specs = (OffsetSpec.earliest(), OffsetSpec.latest())
        with reached("ends of partitions"):
            first, end = self._ask(lambda left_s: [self._ends(wanted, spec, left_s) for spec in specs])
        return {place: Extent(first[named], end[named]) for named, place in wanted.items()}

    def _ends(self, wanted: Iterable[Place], spec: Any, left_s: float) -> dict[Place, int]:
        futures = self._admin.list_offsets(
            {TopicPartition(*each): spec for each in wanted},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=left_s,
        )
        return {(each.topic, each.partition): future.result().offset for each, future in futures.items()}

    def positions(self, group: str, places: Iterable[Place], *, wait_s: float | None = None) -> dict[Place, Position]:
        """The committed positions of a group; those it has. Positions that an open transaction would move are waited
        for.

        Args:
            wait_s: for how long at most; None: as for any answer.

        Raises:
            BusUnavailable
        """
        wanted = [TopicPartition(self.link.topic(topic), part) for topic, part in places]
        with self._lock:
            asker = self._askers.get(group)
            if asker is None:
                asker = self._askers[group] = Consumer(
                    self.link.config(
                        group_id=self.link.group(group), isolation_level="read_committed", enable_auto_commit=False
                    )
                )
        with reached(f"positions of {group}"), self._asking:
            found = settled(lambda left_s: _whole(asker.committed(wanted, left_s)), wait_s or self.link.timeout_s)
        skipped = len(self.link.prefix)
        return {
            (each.topic[skipped:], each.partition): to_position(each.offset, each.metadata)
            for each in found
            if each.offset >= 0
        }

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            askers, self._askers = self._askers, {}
        for asker in askers.values():
            asker.close()

    def move(self, group: str, positions: Mapping[Place, Position]) -> None:
        """Set positions of a group that has no members now.

        Raises:
            BusError: it has members.
            BusUnavailable
        """
        offsets = [
            TopicPartition(self.link.topic(topic), part, *to_offset(position))
            for (topic, part), position in positions.items()
        ]
        request = ConsumerGroupTopicPartitions(self.link.group(group), offsets)
        try:
            self._ask(lambda left_s: self._alter(request, left_s))
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS):
                raise BusError(
                    f"group {group!r} is being read: stop its workers first (`rapport down`, on all machines), and "
                    "wait a quarter of a minute until Kafka has noticed"
                ) from None
            with reached(f"positions of {group}"):
                raise

    def _alter(self, request: Any, left_s: float) -> None:
        (future,) = self._admin.alter_consumer_group_offsets([request], request_timeout=left_s).values()
        _whole(future.result().topic_partitions)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Drop the records before an offset.

        Raises:
            BusUnavailable
        """
        request = [TopicPartition(self.link.topic(topic), partition, offset)]
        with reached("deleting records"):
            self._ask(lambda left_s: self._delete(request, left_s))

    def _delete(self, request: list[Any], left_s: float) -> None:
        for future in self._admin.delete_records(request, request_timeout=left_s).values():
            future.result()


def _whole(offsets: list[Any]) -> list[Any]:
    """Offsets, none of which Kafka could not tell or set.

    Raises:
        KafkaException
    """
    for each in offsets:
        if each.error is not None:
            raise KafkaException(each.error)
    return offsets


def to_offset(position: Position) -> tuple[int, str]:
    """A position as Kafka commits it: the next offset to read, and in the metadata what an offset cannot say."""
    if is_placed(position):
        return offset_after(position), f"{_PLACE}{position.hi}"
    return position.hi, str(position.lo) if position.lo else ""


def to_position(offset: int, metadata: str | None) -> Position:
    """The position that was committed."""
    if metadata and metadata.startswith(_PLACE):
        return Position(int(metadata.removeprefix(_PLACE)), offset)
    return Position(offset, int(metadata) if metadata and metadata.isdigit() else 0)
