"""The bus on Kafka: the protocol, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conformance import BusConformance, MakeBus

from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink


class TestKafkaBus(BusConformance):
    counts_events = False

    @pytest.fixture
    def make_bus(self, kafka_servers: str, kafka_prefix: str) -> Iterator[MakeBus]:
        made: list[KafkaBus] = []

        def make(**limits: Any) -> KafkaBus:
            made.append(KafkaBus(KafkaLink(kafka_servers, kafka_prefix), **limits))
            return made[-1]

        yield make
        for bus in made:
            bus.close()
