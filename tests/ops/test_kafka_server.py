"""The Kafka broker of the tests: it comes up, keeps its topics, and says what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rapport.errors import ServiceError
from rapport.testing.kafka import KafkaServer, install_jars
from tests.source_tree import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("java") and shutil.which("mvn")), reason="Kafka needs java and Maven")
def test_a_broker_keeps_its_topics(tmp_path: Path) -> None:
    jars = install_jars(ROOT / ".cache" / "kafka")
    with KafkaServer(tmp_path / "kafka", jars, {"log.retention.hours": "1"}) as server:
        server.create_topic("clicks", partitions=3, cleanup_policy="compact")
        pid = server.pid
    with KafkaServer(tmp_path / "kafka", jars) as again:
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
