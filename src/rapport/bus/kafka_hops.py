"""Hops on Kafka: a transaction that publishes outputs, sets counters and moves positions, all or nothing.

Who may move a position is settled by one of two means. A member of the group names itself and its generation in the
transaction, and Kafka refuses it once the partition may have been given to another one. Anybody else takes the
transaction's name of that position, which shuts out whoever had it before, and looks where the position is then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from rapport.bus.kafka_cluster import MAX_RECORD_BYTES, KafkaCluster, to_offset
from rapport.bus.kafka_counts import COUNTS, KafkaCounts, Own, to_record
from rapport.bus.kafka_link import KafkaLink, why
from rapport.bus.kafka_member import KafkaMember
from rapport.bus.kafka_records import produce
from rapport.bus.protocol import START, Hop, Position
from rapport.errors import BusError, BusUnavailable, PositionMoved

__all__ = ["KafkaHops"]

_TRANSACTION_S = 10.0
"""A transaction of a process that was killed and does not come back is open, and holds up readers, until Kafka finds it
older than this; it looks every 10 seconds."""
_SETTLED_WITHIN_S = 0.5
_GIVEN_UP_S = 20.0
"""A transaction that has come to no end by then is settled under its name taken anew."""
_TRIES = 4
_SHUT_OUT = (
    KafkaError._FATAL,
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
)
_NO_MEMBER = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
)
_log = logging.getLogger(__name__)


class _ShutOut(Exception):  # noqa: N818 - a state, not an error
    """Another process has the transaction's name now."""


@dataclass(slots=True)
class _Desk:
    """A producer with its transaction's name."""

    name: str
    producer: Any = None


class KafkaHops:
    """Commits hops. Safe for threads: one transaction at a time.

    Args:
        cluster: the cluster.
        counts: the counters.
        identity: this process's name, the same one after a restart.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        counts: KafkaCounts,
        identity: Callable[[], str],
    ) -> None:
        self._cluster = cluster
        self._own = Own(counts)
        self._counts = counts
        self._identity = identity
        self._lock = threading.RLock()
        self._desks: dict[str, _Desk] = {}

    def close(self) -> None:
        with self._lock:
            for desk in self._desks.values():
                _let_go(desk)
            self._desks.clear()

    def position(self, group: str, topic: str, partition: int, *, member: bool) -> Position:
        """A committed position, when whatever transaction might move it has ended.

        Raises:
            BusUnavailable
        """
        place = (topic, partition)
        if member:
            try:
                return self._cluster.positions(group, [place], wait_s=_SETTLED_WITHIN_S).get(place, START)
            except BusUnavailable:
                # A transaction is open: this process's last run left it so, as like as not. Taking its name ends it.
                with self._lock:
                    self._open(self._desk(self._member_name(group)))
        return self._cluster.positions(group, [place]).get(place, START)

    def of_member(self, member: KafkaMember, hops: Sequence[Hop]) -> list[Hop]:
        """Commit the hops of places that are the member's, in one transaction; returns those that were done.

        Raises:
            BusUnavailable: whether they were done is not known.
        """
        group, link = member.group, self._cluster.link
        standing, metadata = member.stands(hops)
        if not standing:
            return []
        offsets = [_offset(link.topic(hop.topic), hop) for hop in standing]
        if not any(hop.outputs or hop.counts for hop in standing):
            member.tell(standing)
            member.moved(standing)
            return standing
        with self._lock:
            totals = [
                self._own.added(
                    (group, hop.topic, hop.partition),
                    (member, member.term((hop.topic, hop.partition))),
                    hop.counts or {},
                )
                for hop in standing
            ]
            desk = self._desk(self._member_name(group))
            try:
                self._transact(desk, group, standing, totals, offsets, metadata)
            except (_ShutOut, PositionMoved) as refused:
                _log.info("group %s: a transaction was refused: %s", group, refused)
                self._own.forget()
                return []
            for hop, total in zip(standing, totals, strict=True):
                self._own.keep((group, hop.topic, hop.partition), total)
        member.moved(standing)
        return standing

    def from_outside(self, group: str, hop: Hop) -> None:
        """Commit a hop of a group that nobody is a member of.

        Raises:
            PositionMoved, BusUnavailable
        """
        place = (group, hop.topic, hop.partition)
        with self._lock:
            desk = self._desk(f"{self._cluster.link.group(group)}:{hop.topic}:{hop.partition}")
            for attempt in range(_TRIES):
                # The name is taken anew each time: what the position is afterwards, it stays until we are shut out.
                _let_go(desk)
                self._open(desk)
                stored = self.position(group, hop.topic, hop.partition, member=False)
                if stored != hop.expected:
                    raise PositionMoved(
                        f"group {group!r} is at {stored} in {hop.topic}/{hop.partition}, not at "
                        f"{hop.expected}: another worker has this partition"
                    )
                total = self._own.added(place, object(), hop.counts or {})
                offsets = [_offset(self._cluster.link.topic(hop.topic), hop)]
                try:
                    self._transact(desk, group, [hop], [total], offsets, None)
                    return
                except _ShutOut:
                    if attempt == _TRIES - 1:
                        raise PositionMoved(f"others move group {group!r} in {hop.topic}/{hop.partition}") from None

    def _member_name(self, group: str) -> str:
        return f"{self._cluster.link.group(group)}:{self._identity()}"

    def _desk(self, name: str) -> _Desk:
        return self._desks.setdefault(name, _Desk(name))

    def _open(self, desk: _Desk) -> None:
        """Take the transaction's name: whatever another process has open under it is undone.

        Raises:
            BusUnavailable
        """
        if desk.producer is not None:
            return
        link = self._cluster.link
        made = Producer(
            link.config(
                transactional_id=desk.name,
                transaction_timeout_ms=int(_TRANSACTION_S * 1_000),
                # A transaction may begin a few milliseconds before the last one is settled everywhere, and is then told
                # to come again: after how long is decided here.
                retry_backoff_ms=3,
                retry_backoff_max_ms=50,
                linger_ms=0,
                message_max_bytes=MAX_RECORD_BYTES,
                compression_type="lz4",
            )
        )
        try:
            _within(_GIVEN_UP_S, lambda: made.init_transactions(_answer_s(link)))
        except KafkaException as error:
            raise why(error.args[0], f"transactions of {desk.name}") from error
        desk.producer = made

    def _transact(
        self,
        desk: _Desk,
        group: str,
        hops: Sequence[Hop],
        totals: Sequence[dict[str, int]],
        offsets: list[TopicPartition],
        metadata: Any,
    ) -> None:
        """One transaction.

        Raises:
            PositionMoved: this process is no member of the group any more.
            _ShutOut: another process has the transaction's name.
            BusError: a record cannot be published.
            BusUnavailable: whether it was done is not known.
        """
        self._open(desk)
        failed: list[Any] = []

        def told(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        producer, link = desk.producer, self._cluster.link
        try:
            producer.begin_transaction()
            for hop, total in zip(hops, totals, strict=True):
                for message in hop.outputs:
                    produce(producer, link, message, self._cluster.partitions, told)
                for name, amount in total.items():
                    key, value = to_record((group, hop.topic, hop.partition, name), amount)
                    producer.produce(link.topic(COUNTS), value, key, 0, on_delivery=told)
            moving = metadata if metadata is not None else self._outsider(group)

            def settle() -> None:
                _again(lambda: producer.send_offsets_to_transaction(offsets, moving, _answer_s(link)))
                _again(lambda: producer.commit_transaction(_answer_s(link)))

            _within(_GIVEN_UP_S, settle)
        except KafkaException as error:
            raise self._undone(desk, error.args[0], failed) from error
        except BusError:
            self._abort(desk)
            raise

    def _undone(self, desk: _Desk, error: Any, failed: list[Any]) -> Exception:
        """What a failure means, after it has been cleared up."""
        code = error.code()
        if code in _SHUT_OUT or error.fatal():
            _let_go(desk)
            return _ShutOut(desk.name)
        if code in _NO_MEMBER:
            self._abort(desk)
            return PositionMoved(f"this process is no member any more ({error.str()}): another one has its partitions")
        # It may be done or not. The next transaction takes the name anew, which settles this one.
        self._own.forget()
        _let_go(desk)
        return why(failed[0] if failed else error, f"a transaction of {desk.name}")

    def _abort(self, desk: _Desk) -> None:
        try:
            producer = desk.producer
            _within(_GIVEN_UP_S, lambda: _again(lambda: producer.abort_transaction(_answer_s(self._cluster.link))))
        except KafkaException as error:
            _log.info("transaction of %s: %s", desk.name, error.args[0].str())
            _let_go(desk)

    def _outsider(self, group: str) -> Any:
        """What a transaction says of itself whose process is no member of the group."""
        consumer = Consumer(self._cluster.link.config(group_id=self._cluster.link.group(group)))
        try:
            return consumer.consumer_group_metadata()
        finally:
            consumer.close()


def _answer_s(link: KafkaLink) -> float:
    """How long a step of a transaction is waited for: one that is given up has to be looked up, and done again."""
    return max(link.timeout_s, _TRANSACTION_S)


def _offset(topic: str, hop: Hop) -> TopicPartition:
    offset, metadata = to_offset(hop.position)
    return TopicPartition(topic, hop.partition, offset, metadata)


def _again(call: Callable[[], None]) -> None:
    """A call of a transaction, repeated as Kafka's client allows.

    Raises:
        KafkaException
    """
    for attempt in range(_TRIES):
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or attempt == _TRIES - 1:
                raise
    return None


def _within(seconds: float, call: Callable[[], None]) -> None:
    """A call in a thread of its own, which is left to itself when it has not come back in time: Kafka's client may wait
    for ever for an answer that a broker took with it when it went down, whatever time it was given.

    Raises:
        KafkaException
    """
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        error = ended.get(timeout=seconds)
    except Empty:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer")) from None
    if error is not None:
        raise error


def _let_go(desk: _Desk) -> None:
    """Forget a producer; what it has open is undone when its name is taken again, or times out."""
    producer, desk.producer = desk.producer, None
    if producer is not None:
        producer.purge()
