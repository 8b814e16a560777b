"""librdkafka's mock cluster: brokers in this process that speak Kafka's protocol, and fail when they are told to.

It needs no Java, so it is there where no broker can be had. It keeps records in memory and knows groups; it answers the
requests of transactions, but gives away what is not committed, and keeps no position that a transaction moves. It knows
no request that creates topics or tells of them, and does not say when a record arrived. So the flows do not run on it:
what is tested on it is how the parts of the bus take a cluster's answers. It is reached through the library that
confluent-kafka's wheel brings along.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import confluent_kafka

from rapport.bus.kafka_cluster import KafkaCluster
from rapport.bus.kafka_link import KafkaLink
from rapport.errors import ServiceError
from rapport.testing.started import Started

__all__ = ["API_KEYS", "MockCluster", "MockKafka"]

API_KEYS = {
    "list_offsets": 2,
    "offset_fetch": 9,
    "join_group": 11,
    "init_producer_id": 22,
    "add_partitions_to_txn": 24,
    "add_offsets_to_txn": 25,
    "end_txn": 26,
    "txn_offset_commit": 28,
}
"""Numbers of requests, of Kafka's protocol."""
_PRODUCER = 0


class MockKafka(Started):
    """Some brokers. As a context manager they are started, and ended at the end.

    Args:
        brokers: how many.
    """

    def __init__(self, brokers: int = 3) -> None:
        self._brokers = brokers
        self._client: int | None = None
        self._cluster: int | None = None

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as clients take them."""
        return str(_library().rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def start(self) -> None:
        """Start the brokers, in threads of this process.

        Raises:
            ServiceError: confluent-kafka here has no library of its own.
        """
        library, said = _library(), ctypes.create_string_buffer(512)
        self._client = library.rd_kafka_new(_PRODUCER, None, said, len(said))
        if not self._client:
            raise ServiceError(f"librdkafka: {said.value.decode()}")
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, self._brokers)
        if not self._cluster:
            raise ServiceError("librdkafka's mock cluster does not start")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    def stop(self) -> None:
        """End the brokers; what they held is gone."""
        cluster, self._cluster = self._cluster, None
        client, self._client = self._client, None
        if cluster:
            _library().rd_kafka_mock_cluster_destroy(cluster)
        if client:
            _library().rd_kafka_destroy(client)

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic.

        Raises:
            ServiceError
        """
        code = _library().rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            raise ServiceError(f"the mock cluster does not create topic {name}: code {code}")

    def fail(self, request: str, *codes: int) -> None:
        """Answer the next requests of a kind (of API_KEYS) with these codes of KafkaError, one after the other."""
        errors = (ctypes.c_int * len(codes))(*codes)
        _library().rd_kafka_mock_push_request_errors_array(self._cluster, API_KEYS[request], len(codes), errors)


class MockCluster(KafkaCluster):
    """What the parts of the bus ask of a cluster; topics are created behind the back of Kafka's protocol."""

    def __init__(self, brokers: MockKafka, prefix: str = "", *, partitions: int, timeout_s: float = 5.0) -> None:
        link = KafkaLink(brokers.bootstrap, prefix, timeout_s=timeout_s)
        super().__init__(link, partitions, replication=1, retention_h=1)
        self._brokers = brokers

    def ensure(self, topics: Iterable[str], *, partitions: int = 0, **settings: str) -> None:
        for topic in set(topics) - self._known:
            self._brokers.create_topic(self.link.topic(topic), partitions or self.partitions)
            self._known.add(topic)


@cache
def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = sorted(folder.glob("librdkafka*.so*"))
    if not found:
        raise ServiceError(f"there is no librdkafka in {folder}: confluent-kafka was not installed from a wheel")
    library = ctypes.CDLL(str(found[0]))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
