"""The least that a transaction can cost: a bare loop of confluent-kafka that copies clicks, exactly once.

python -m benchmarks.kafka_floor SERVERS TOPIC COPIES

What was read together goes into one record of COPIES, with the position, in one transaction.
"""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

GROUP = "bench.floor"


def main(servers: str, topic: str, copies: str) -> None:
    """Copy until killed, from the end of the topic on."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": GROUP, "isolation.level": "read_committed"})
    producer = Producer(
        {"bootstrap.servers": servers, "transactional.id": GROUP, "linger.ms": 0, "retry.backoff.ms": 3}
    )
    producer.init_transactions(30)
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)
    consumer.assign([TopicPartition(topic, 0, end)])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        first = consumer.poll(1.0)
        if first is not None:
            _copy(producer, consumer, [first, *consumer.consume(4_000, 0)], copies)


def _copy(producer: Any, consumer: Any, records: list[Any], copies: str) -> None:
    good = [record for record in records if record.error() is None]
    if not good:
        return
    producer.begin_transaction()
    producer.produce(copies, b"\n".join(record.value() for record in good))
    last = good[-1]
    offsets = [TopicPartition(last.topic(), last.partition(), last.offset() + 1)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
    producer.commit_transaction()


if __name__ == "__main__":
    main(*sys.argv[1:4])
