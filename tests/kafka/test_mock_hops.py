"""Transactions and groups against answers that a real broker seldom gives, on librdkafka's mock cluster."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from rapport.bus import START, Message, Position
from rapport.bus.kafka_counts import KafkaCounts
from rapport.bus.kafka_hops import KafkaHops
from rapport.bus.kafka_member import KafkaMember
from rapport.bus.kafka_scan import Scanner
from rapport.bus.protocol import Hop
from rapport.errors import PositionMoved
from rapport.testing.mock_kafka import MockCluster, MockKafka
from rapport.testing.served import wait_for

_numbers = itertools.count()


@pytest.fixture(scope="module")
def mock_kafka() -> Iterator[MockKafka]:
    with MockKafka(1) as mock:
        yield mock


@pytest.fixture
def cluster(mock_kafka: MockKafka) -> Iterator[MockCluster]:
    made = MockCluster(mock_kafka, f"t{next(_numbers)}.", partitions=4)
    yield made
    made.close()


@pytest.fixture
def scanner(cluster: MockCluster) -> Iterator[Scanner]:
    made = Scanner(cluster)
    yield made
    made.close()


@pytest.fixture
def hops(cluster: MockCluster, scanner: Scanner) -> Iterator[KafkaHops]:
    cluster.ensure(["feedback", "out"])
    made = KafkaHops(cluster, KafkaCounts(cluster, scanner), lambda: "me")
    yield made
    made.close()


def hop(value: bytes) -> Hop:
    return Hop("feedback", 0, START, Position(5, 0), [Message("out", "k", value, "run", 1)], {"n": 2})


def out(cluster: MockCluster, scanner: Scanner) -> list[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    end = cluster.extents([("out", 1)])["out", 1].end
    found, _ = scanner.read(object(), "out", 1, 0, 100, end)
    return [(record.key(), record.value(), record.headers()) for record in found]


def test_a_hop_writes_its_outputs_and_totals(cluster: MockCluster, scanner: Scanner, hops: KafkaHops) -> None:
    hops.from_outside("group", hop(b"v"))
    assert out(cluster, scanner) == [(b"k", b"v", [("origin", b"run")])]
    assert KafkaCounts(cluster, scanner).sums("") == {"n": 2}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("init_producer_id", KafkaError.NOT_COORDINATOR),
        ("add_partitions_to_txn", KafkaError.CONCURRENT_TRANSACTIONS),
        ("add_offsets_to_txn", KafkaError.COORDINATOR_NOT_AVAILABLE),
        ("txn_offset_commit", KafkaError.NOT_COORDINATOR),
        ("txn_offset_commit", KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
        ("end_txn", KafkaError.NOT_COORDINATOR),
    ],
)
def test_what_passes_by_itself_is_waited_out_in_a_transaction(
    mock_kafka: MockKafka, cluster: MockCluster, scanner: Scanner, hops: KafkaHops, request_: str, code: int
) -> None:
    mock_kafka.fail(request_, code, code)
    hops.from_outside("group", hop(b"v"))
    assert [value for _, value, _ in out(cluster, scanner)] == [b"v"]


def test_a_generation_that_is_over_moves_nothing_and_the_next_hop_does(
    mock_kafka: MockKafka, cluster: MockCluster, scanner: Scanner, hops: KafkaHops
) -> None:
    mock_kafka.fail("txn_offset_commit", KafkaError.ILLEGAL_GENERATION)
    with pytest.raises(PositionMoved, match="no member any more"):
        hops.from_outside("group", hop(b"refused"))
    hops.from_outside("group", hop(b"v"))
    assert out(cluster, scanner)[-1][1] == b"v"


def test_a_name_that_another_process_takes_again_and_again_is_given_up(mock_kafka: MockKafka, hops: KafkaHops) -> None:
    mock_kafka.fail("end_txn", *[KafkaError.INVALID_PRODUCER_EPOCH] * 4)
    with pytest.raises(PositionMoved, match="others move group"):
        hops.from_outside("group", hop(b"refused"))
    hops.from_outside("group", hop(b"v"))


def test_a_member_joins_when_the_coordinator_is_settled(mock_kafka: MockKafka, cluster: MockCluster) -> None:
    mock_kafka.fail("join_group", KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    member = KafkaMember(cluster, "group", ["feedback"], "one", threading.Condition())
    wait_for(lambda: len(member.places()) == 4, "the member got no partitions")
    member.close()
