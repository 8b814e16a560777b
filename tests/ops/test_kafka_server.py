"""The Kafka broker of the tests: it comes up, keeps its topics, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.errors import ServiceError
from rapport.testing.kafka import KafkaServer, install_jars


@pytest.mark.slow
def test_a_broker_keeps_its_topics(kafka_jars: Path, tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka", kafka_jars, {"log.retention.hours": "1"}) as server:
        server.create_topic("clicks", partitions=3, cleanup_policy="compact")
        pid = server.pid
    with KafkaServer(tmp_path / "kafka", kafka_jars) as again:
        assert again.pid != pid
        with pytest.raises(ServiceError, match="already exists"):
            again.create_topic("clicks")


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ServiceError, match="no `mvn` here: install it"):
        install_jars(tmp_path / "jars")
    with pytest.raises(ServiceError, match="no `java` here: install it"):
        KafkaServer(tmp_path / "kafka", tmp_path).start()
