"""The bus on Kinesis: the protocol, for all topics that are not raw. Raw ones: tests/kinesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conformance import BusConformance, MakeBus

from rapport.bus.kinesis import KinesisBus
from rapport.bus.kinesis_link import KinesisLink
from rapport.bus.kinesis_marks import Marks
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.events.schema import TOPICS


class TestKinesisBus(BusConformance):
    @pytest.fixture
    def make_bus(self, redis_url: str) -> Iterator[MakeBus]:
        made: list[KinesisBus] = []

        def make(**limits: Any) -> KinesisBus:
            rest = RedisStreamsBus(redis_url, **limits)
            made.append(KinesisBus(KinesisLink("eu-central-1"), rest, Marks(redis_url), TOPICS))
            return made[-1]

        yield make
        for bus in made:
            bus.close()
