"""Five producers, five topics, a broker and flows that die: the short form of `make kafka-million`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.testing.kafka import KafkaServer
from tests.chaos.world import World
from tests.kafka.run import KafkaRun

EVENTS = 5_000


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_counted_twice(kafka_jars: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with KafkaServer(tmp_path / "kafka", kafka_jars) as server:
        run = KafkaRun(tmp_path / "run", World(7, EVENTS, 300), server, 2, print)
        try:
            outcome = run.go(
                [(0.1, "kill worker"), (0.3, "add worker"), (0.5, "kill broker"), (0.7, "kill added worker")]
            )
        finally:
            run.project.redis.stop()
    assert outcome.findings == []
    assert outcome.accepted == EVENTS and outcome.dead["duplicate"] > 0
    assert outcome.rows > 0 and outcome.rows_of_oracle > 0
