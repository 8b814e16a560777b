"""What the online store has seen of events whose check is not committed."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from flows.features import load_declared
from flows.ingest import GROUP
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.placed import place_of
from rapport.bus.protocol import Position
from rapport.online.fence import RowStore
from rapport.online.marks import decode_marks
from rapport.testing.project import Project

__all__ = ["rows_ahead"]


def rows_ahead(project: Project, link: KafkaLink, partitions: int, customers: Sequence[str]) -> int:
    """How many rows of some customers have seen such an event. A transaction may be open: it is not waited for."""
    found = 0
    consumer = Consumer(link.config(group_id=link.group(GROUP), isolation_level="read_uncommitted"))
    declared = load_declared(project.settings)
    for topic, plans in declared.plans.items():
        places = [TopicPartition(link.topic(topic), part) for part in range(partitions)]
        committed = [place_of(Position(max(each.offset, 0), 0)) for each in consumer.committed(places, 10)]
        with project.client() as client:
            values = RowStore(client, declared.project, [plan.view.name for plan in plans]).load(customers)
        for row in values:
            marks = decode_marks(row)
            found += int(sum(hi > committed[part] for part, hi in zip(marks["partition"], marks["hi"], strict=True)))
    consumer.close()
    return found
