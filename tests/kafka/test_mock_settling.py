"""What Kafka answers while its leaders and coordinators are being settled is waited out. On librdkafka's mock cluster,
which gives such answers when it is told to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from rapport.bus.kafka_cluster import Extent, KafkaCluster
from rapport.bus.kafka_link import KafkaLink
from rapport.errors import BusError, BusUnavailable
from rapport.testing.mock_kafka import MockKafka

COORDINATORS = (
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


@pytest.fixture
def mock_kafka() -> Iterator[MockKafka]:
    with MockKafka(1) as mock:
        mock.create_topic("feedback", 2)
        yield mock


@pytest.fixture
def cluster(mock_kafka: MockKafka) -> Iterator[KafkaCluster]:
    made = KafkaCluster(KafkaLink(mock_kafka.bootstrap, timeout_s=10.0), partitions=2, replication=1, retention_h=1)
    yield made
    made.close()


@pytest.mark.parametrize("code", COORDINATORS)
def test_a_coordinator_that_is_being_settled_is_waited_for(
    mock_kafka: MockKafka, cluster: KafkaCluster, code: int
) -> None:
    mock_kafka.fail("offset_fetch", code, code, code)
    assert cluster.positions("group", [("feedback", 0), ("feedback", 1)]) == {}


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_leader_that_is_being_settled_is_waited_for(mock_kafka: MockKafka, cluster: KafkaCluster, code: int) -> None:
    mock_kafka.fail("list_offsets", code, code)
    assert cluster.extents([("feedback", 1)]) == {("feedback", 1): Extent(0, 0)}


def test_one_that_is_never_settled_is_given_up_in_time(mock_kafka: MockKafka, cluster: KafkaCluster) -> None:
    mock_kafka.fail("offset_fetch", *[KafkaError.NOT_COORDINATOR] * 1_000)
    with pytest.raises(BusUnavailable, match="positions of group"):
        cluster.positions("group", [("feedback", 0)], wait_s=0.3)


def test_a_refusal_is_told_at_once(mock_kafka: MockKafka, cluster: KafkaCluster) -> None:
    mock_kafka.fail("offset_fetch", KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(BusError, match="does not let this installation in"):
        cluster.positions("group", [("feedback", 0)])
